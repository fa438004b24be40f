package restarthttp

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// A conns holds the open connections of a server. The last step of a drain waits
// until none of those with HTTP/1 is left.
type conns struct {
	// depart moves a connection that net/http has given up, or has it served on
	// here. It reports false if neither can be: the socket is to be closed.
	depart func(*conn) bool

	// departKept does the same for one whose request is not over. dead says that
	// the handler is to see its end.
	departKept func(c *conn, q *keptRequest, dead bool) bool

	moveKept atomic.Bool // departKept can move them

	linger atomic.Int64 // a time.Duration, from the beginning of the drain on

	mu    sync.Mutex
	mode  mode
	all   map[*conn]class
	http1 int           // how many of all
	gone  chan struct{} // not nil: somebody waits; closed when http1 is zero
}

// A class says who cares for a connection in a drain.
type class uint8

const (
	classHTTP1    class = iota
	classHTTP2          // net/http sends GOAWAY
	classHijacked       // the handler
)

func newConns(depart func(*conn) bool) *conns {
	return &conns{depart: depart, all: make(map[*conn]class)}
}

// add takes c into the set, and into the drain if there is one.
func (s *conns) add(c *conn) {
	s.mu.Lock()
	s.all[c] = classHTTP1
	s.http1++
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
	if ok && cl == classHTTP1 {
		s.http1--
		s.checkLocked()
	}
}

// become notes that c is none of HTTP/1 any more.
func (s *conns) become(c *conn, to class) {
	s.mu.Lock()
	defer s.mu.Unlock()
	cl, ok := s.all[c]
	if !ok {
		return
	}
	s.all[c] = to
	if cl == classHTTP1 {
		s.http1--
		s.checkLocked()
	}
}

func (s *conns) checkLocked() {
	if s.http1 == 0 && s.gone != nil {
		close(s.gone)
		s.gone = nil
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

// count returns how many connections there are of a class.
func (s *conns) count(of class) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, cl := range s.all {
		if cl == of {
			n++
		}
	}
	return n
}

// whenGone returns a channel that is closed as soon as there is no HTTP/1
// connection.
func (s *conns) whenGone() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.gone == nil {
		s.gone = make(chan struct{})
	}
	gone := s.gone
	s.checkLocked()
	return gone
}

func (s *conns) lingerTime() time.Duration { return time.Duration(s.linger.Load()) }
