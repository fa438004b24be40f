package restarttest

import (
	"os"
	"sync"
)

// signals stands in for package os/signal in one generation. The zero value is
// ready to use.
type signals struct {
	mu    sync.Mutex
	to    chan<- os.Signal // nil: none is taken
	taken map[os.Signal]bool
}

func (s *signals) notify(c chan<- os.Signal, sigs ...os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken == nil {
		s.taken = make(map[os.Signal]bool)
	}
	s.to = c
	for _, sig := range sigs {
		s.taken[sig] = true
	}
}

func (s *signals) stop(chan<- os.Signal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.to = nil
}

// deliver reports whether sig is taken. Like package os/signal it does not wait:
// a signal for which there is no room is lost.
func (s *signals) deliver(sig os.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.to == nil || !s.taken[sig] {
		return false
	}
	select {
	case s.to <- sig:
	default:
	}
	return true
}
