package gate

import (
	"net"
	"sync"
)

// Conns holds the open connections of one listener, whoever uses them: a
// hijacked connection stays in it until it is closed. A WaitGroup would not do:
// it panics when a connection comes while somebody waits, and it cannot list.
type Conns struct {
	mu    sync.Mutex
	open  map[net.Conn]place
	empty chan struct{} // not nil: somebody waits; closed when none is left

	// sealed: nobody looks after connections any more, so none may come.
	// Adopted ones come even after the listener has stopped.
	sealed bool
}

// A place says which process has a connection.
type place int

const (
	here    place = iota
	leaving       // it is being sent to the successor, which may have it already
)

func newConns() *Conns { return &Conns{open: make(map[net.Conn]place)} }

// Track wraps c so that the set knows when it is closed. The wrappers embed the
// concrete types, so that io.Copy finds ReadFrom and WriteTo, and with them
// sendfile(2) and splice(2). Track reports false, and does nothing, when the
// set is sealed.
func (s *Conns) Track(c net.Conn) (net.Conn, bool) {
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
	s.open[t] = here
	return t, true
}

// Depart notes that c is being sent to the successor. It reports false when the
// set is sealed: c is about to be cut, and must not be sent.
func (s *Conns) Depart(c net.Conn) bool { return s.put(c, leaving) }

// Return notes that the successor has not taken c.
func (s *Conns) Return(c net.Conn) { s.put(c, here) }

func (s *Conns) put(c net.Conn, where place) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.sealed {
		return false
	}
	if _, ok := s.open[c]; ok {
		s.open[c] = where
	}
	return true
}

func (s *Conns) remove(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, c)
	if len(s.open) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}

// Len returns how many connections are open.
func (s *Conns) Len() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.open)
}

// WhenEmpty returns a channel that is closed as soon as no connection is open.
func (s *Conns) WhenEmpty() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// SealIfEmpty refuses connections from now on and reports true, or does nothing
// and reports false if one is open.
func (s *Conns) SealIfEmpty() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.open) == 0 {
		s.sealed = true
	}
	return len(s.open) == 0
}

// Seal refuses connections from now on and returns those that are open. The
// successor may have those that are leaving already: only our descriptor of
// such a connection may be closed, and nothing may be sent on it.
func (s *Conns) Seal() (open, departing []net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sealed = true
	for c, where := range s.open {
		if where == leaving {
			departing = append(departing, c)
		} else {
			open = append(open, c)
		}
	}
	return open, departing
}

// ConnsOf returns the set that c is in, nil if c is not as its listener gave it
// or has no socket.
func ConnsOf(c net.Conn) *Conns {
	switch c := c.(type) {
	case *tcpConn:
		return c.set
	case *unixConn:
		return c.set
	}
	return nil
}

type tcpConn struct {
	*net.TCPConn
	set *Conns
}

func (c *tcpConn) NetConn() net.Conn { return c.TCPConn }
func (c *tcpConn) Close() error      { defer c.set.remove(c); return c.TCPConn.Close() }

type unixConn struct {
	*net.UnixConn
	set *Conns
}

func (c *unixConn) NetConn() net.Conn { return c.UnixConn }
func (c *unixConn) Close() error      { defer c.set.remove(c); return c.UnixConn.Close() }

// otherConn is for listeners without a socket. Only tests have those, and what has
// no socket is never handed over.
type otherConn struct {
	net.Conn
	set *Conns
}

func (c *otherConn) NetConn() net.Conn { return c.Conn }
func (c *otherConn) Close() error      { defer c.set.remove(c); return c.Conn.Close() }
