package restart

import (
	"net"
	"sync"
	"time"
)

// A connSet holds the open connections of one listener, whoever has them: a
// hijacked connection stays in it until it is closed. A WaitGroup would not do:
// it panics when a connection comes while somebody waits, and cannot list.
type connSet struct {
	mu    sync.Mutex
	conns map[net.Conn]bool // whether it is on its way to the successor
	empty chan struct{}     // not nil: somebody waits; closed when none is left

	// sealed: nobody looks after connections any more, so none may come. They
	// come after the listener has stopped, too: from the predecessor.
	sealed bool
}

func newConnSet() *connSet { return &connSet{conns: make(map[net.Conn]bool)} }

// track wraps c so that the set knows when it is closed. The wrappers embed
// the concrete types: io.Copy still finds ReadFrom and WriteTo, and with them
// sendfile(2) and splice(2). It reports false, and does nothing, when the set
// is sealed.
func (s *connSet) track(c net.Conn) (net.Conn, bool) {
	var t net.Conn
	switch c := c.(type) {
	case *net.TCPConn:
		t = &tcpConn{TCPConn: c, set: s}
	case *net.UnixConn:
		t = &unixConn{UnixConn: c, set: s}
	default:
		t = &otherConn{Conn: c, set: s}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return nil, false
	}
	s.conns[t] = false
	return t, true
}

// depart notes that c, which is in the set, is on its way to the successor or,
// if it did not get there, no longer. It reports false, and notes nothing, when
// the set is sealed: c is about to be cut.
func (s *connSet) depart(c net.Conn, leaves bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return false
	}
	if _, ok := s.conns[c]; ok {
		s.conns[c] = leaves
	}
	return true
}

type tcpConn struct {
	*net.TCPConn
	set *connSet
}

func (c *tcpConn) NetConn() net.Conn { return c.TCPConn }
func (c *tcpConn) Close() error      { defer c.set.remove(c); return c.TCPConn.Close() }

type unixConn struct {
	*net.UnixConn
	set *connSet
}

func (c *unixConn) NetConn() net.Conn { return c.UnixConn }
func (c *unixConn) Close() error      { defer c.set.remove(c); return c.UnixConn.Close() }

// otherConn is for listeners of tests that have no socket.
type otherConn struct {
	net.Conn
	set *connSet
}

func (c *otherConn) NetConn() net.Conn { return c.Conn }
func (c *otherConn) Close() error      { defer c.set.remove(c); return c.Conn.Close() }

// setOf returns the set that c is in, nil if c is not as its listener gave it.
func setOf(c net.Conn) *connSet {
	switch c := c.(type) {
	case *tcpConn:
		return c.set
	case *unixConn:
		return c.set
	}
	return nil
}

func (s *connSet) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

func (s *connSet) len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// whenEmpty returns a channel that is closed as soon as no connection is open.
func (s *connSet) whenEmpty() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// seal refuses connections from now on, if none is open.
func (s *connSet) seal() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		s.sealed = true
	}
	return len(s.conns) == 0
}

// shut refuses connections from now on and returns those that are open, apart
// from those that are on their way to the successor: it may have them already,
// and then only our descriptor may be closed.
func (s *connSet) shut() (open, leaving []net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
	for c, leaves := range s.conns {
		if leaves {
			leaving = append(leaving, c)
		} else {
			open = append(open, c)
		}
	}
	return open, leaving
}

// cutGrace is what peers get to close their side after a cut's FIN.
const cutGrace = 100 * time.Millisecond

// halfClose ends our direction of c with a FIN, if its kind has one. What was
// written before still arrives; closing at once could turn it into a reset.
func halfClose(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}
