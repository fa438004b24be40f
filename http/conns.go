package restarthttp

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A conns holds the open connections of a server. The last steps of a drain wait
// until none of a class is left.
type conns struct {
	// depart moves a connection that net/http has given up, or has it served on
	// here. It reports false if neither can be: the socket is to be closed.
	depart func(*conn) bool

	// departKept does the same for one whose request is not over. dead says that
	// the handler is to see its end.
	departKept func(c *conn, q *keptRequest, dead bool) bool

	moveKept atomic.Bool // departKept can move them

	announced func() // counts a client that was told to reconnect; nil: nobody counts

	linger atomic.Int64 // a time.Duration, from the beginning of the drain on

	mu   sync.Mutex
	mode mode
	all  map[*conn]class
	size [classes]int           // how many of all
	gone [classes]chan struct{} // not nil: somebody waits; closed when size is zero
}

// A class says who cares for a connection in a drain.
type class uint8

const (
	classHTTP1    class = iota
	classHTTP2          // a goAway
	classHijacked       // the handler
	classes             // how many there are
)

func newConns(depart func(*conn) bool) *conns {
	return &conns{depart: depart, all: make(map[*conn]class)}
}

// add takes c into the set, and into the drain if there is one.
func (s *conns) add(c *conn) {
	s.mu.Lock()
	s.all[c] = classHTTP1
	s.size[classHTTP1]++
	m := s.mode
	s.mu.Unlock()
	if m != modeServe {
		c.begin(m, nil)
	}
}

// remove is called when c is closed or has moved.
func (s *conns) remove(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cl, ok := s.all[c]
	delete(s.all, c)
	if ok {
		s.size[cl]--
		s.wakeIfNoneLocked(cl)
	}
}

// become moves c to another class.
func (s *conns) become(c *conn, to class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cl, ok := s.all[c]
	if !ok {
		return
	}
	s.all[c] = to
	s.size[to]++
	s.size[cl]--
	s.wakeIfNoneLocked(cl)
}

// wakeIfNoneLocked ends the waits for the end of a class that has come.
func (s *conns) wakeIfNoneLocked(of class) {
	if s.size[of] == 0 && s.gone[of] != nil {
		close(s.gone[of])
		s.gone[of] = nil
	}
}

// drainIn makes connections that come from now on drain at once, and returns
// those that are there.
func (s *conns) drainIn(m mode) map[*conn]class {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mode = m
	return maps.Clone(s.all)
}

// list returns all connections.
func (s *conns) list() []*conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Collect(maps.Keys(s.all))
}

// has reports whether c is open.
func (s *conns) has(c *conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.all[c]
	return ok
}

// whenGone returns a channel that is closed as soon as there is no connection of
// that class.
func (s *conns) whenGone(of class) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone[of] == nil {
		s.gone[of] = make(chan struct{})
	}
	gone := s.gone[of]
	s.wakeIfNoneLocked(of)
	return gone
}

func (s *conns) lingerTime() time.Duration { return time.Duration(s.linger.Load()) }
