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
	conns map[net.Conn]struct{}
	empty chan struct{} // not nil: somebody waits; closed when none is left
}

func newConnSet() *connSet { return &connSet{conns: make(map[net.Conn]struct{})} }

// track wraps c so that the set knows when it is closed. The wrappers embed
// the concrete types: io.Copy still finds ReadFrom and WriteTo, and with them
// sendfile(2) and splice(2).
func (s *connSet) track(c net.Conn) net.Conn {
	switch c := c.(type) {
	case *net.TCPConn:
		t := &tcpConn{TCPConn: c, set: s}
		s.add(t)
		return t
	case *net.UnixConn:
		t := &unixConn{UnixConn: c, set: s}
		s.add(t)
		return t
	default:
		t := &otherConn{Conn: c, set: s}
		s.add(t)
		return t
	}
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

func (s *connSet) add(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conns[c] = struct{}{}
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

// list returns the connections that are open now.
func (s *connSet) list() []net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		list = append(list, c)
	}
	return list
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

// cutGrace is what peers get to close their side after a cut's FIN.
const cutGrace = 100 * time.Millisecond

// halfClose ends our direction of c with a FIN, if its kind has one. What was
// written before still arrives; closing at once could turn it into a reset.
func halfClose(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}
