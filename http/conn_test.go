package restarthttp

import (
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"testing"
	"time"
)

// A scripted is a connection whose reads return what the test says. It
// remembers the read deadline that is in force.
type scripted struct {
	net.Conn
	reads    []read
	onRead   func() // before each
	deadline time.Time
	set      int // how often the deadline was
	closed   int
}

type read struct {
	data string
	err  error
}

func (s *scripted) Read(p []byte) (int, error) {
	if s.onRead != nil {
		s.onRead()
	}
	r := s.reads[0]
	s.reads = s.reads[1:]
	return copy(p, r.data), r.err
}

func (s *scripted) SetReadDeadline(t time.Time) error { s.deadline = t; s.set++; return nil }
func (s *scripted) Close() error                      { s.closed++; return nil }

// A home takes every connection that comes up for a move.
type home struct {
	*conns
	moved int
}

func newHome() *home {
	h := new(home)
	h.conns = newConns(func(*conn) bool { h.moved++; return true })
	h.linger.Store(int64(time.Hour))
	return h
}

// conn makes a conn of c that is in the set.
func (h *home) conn(c net.Conn, m mobility) *conn {
	w := newConn(c, h.conns, m)
	h.add(w)
	return w
}

func past(t time.Time) bool { return !t.IsZero() && t.Before(time.Now()) }

// busyConn returns a conn that net/http serves a request on.
func busyConn(s *scripted) *conn {
	c := newHome().conn(s, movable)
	c.stateChanged(c, http.StateActive)
	return c
}

// After a request net/http ends its read in the background. If that has not begun,
// it fails all the same, and the socket need not know.
func TestReadThatIsEndedBeforeItBegins(t *testing.T) {
	s := &scripted{reads: []read{{"body", nil}, {"GET", nil}}}
	c := busyConn(s)
	buf := make([]byte, 16)
	c.Read(buf)
	c.SetReadDeadline(longAgo)
	for range 2 {
		if n, err := c.Read(buf); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d bytes, %v; want the deadline to be exceeded", n, err)
		}
	}
	c.SetReadDeadline(time.Time{})
	if n, err := c.Read(buf); n != 3 || err != nil {
		t.Errorf("got %d bytes, %v; want 3", n, err)
	}
	if s.set != 0 {
		t.Errorf("the socket's deadline was set %d times", s.set)
	}
}

// The socket has the deadline where a read is under way, and where others may read.
func TestReadThatOnlyTheSocketEnds(t *testing.T) {
	for name, end := range map[string]func(*conn, *scripted){
		"in a read": func(c *conn, s *scripted) {
			s.onRead = func() { c.SetReadDeadline(longAgo) }
			c.Read(nil)
		},
		"after a read that did not begin": func(c *conn, s *scripted) {
			c.SetReadDeadline(longAgo)
			c.Read(nil)
			c.SetReadDeadline(time.Time{})
			s.onRead = func() { c.SetReadDeadline(longAgo) }
			c.Read(nil)
		},
		"NetConn before":     func(c *conn, _ *scripted) { c.NetConn(); c.SetReadDeadline(longAgo) },
		"NetConn after":      func(c *conn, _ *scripted) { c.SetReadDeadline(longAgo); c.NetConn() },
		"SyscallConn before": func(c *conn, _ *scripted) { c.SyscallConn(); c.SetReadDeadline(longAgo) },
		"SyscallConn after":  func(c *conn, _ *scripted) { c.SetReadDeadline(longAgo); c.SyscallConn() },
		"hijacked": func(c *conn, _ *scripted) {
			c.stateChanged(c, http.StateHijacked)
			c.SetReadDeadline(longAgo)
		},
	} {
		s := &scripted{reads: []read{{"", nil}}}
		c := busyConn(s)
		if end(c, s); !past(s.deadline) {
			t.Errorf("%s: got deadline %v, want one in the past", name, s.deadline)
		}
		if c.SetReadDeadline(time.Time{}); !s.deadline.IsZero() {
			t.Errorf("%s: the deadline %v is still in force", name, s.deadline)
		}
	}
}

// Bytes that arrive as the drain begins make a wait a request: its deadline is
// net/http's again, and the connection does not move.
func TestBytesThatCrossTheDrain(t *testing.T) {
	s := &scripted{reads: []read{{"G", nil}, {"", os.ErrDeadlineExceeded}}}
	h := newHome()
	c := h.conn(s, movable)
	want := time.Now().Add(time.Minute)
	c.SetReadDeadline(want)
	buf := make([]byte, 16)
	c.begin(modeMove, nil)
	if !past(s.deadline) {
		t.Errorf("the wait was not ended: deadline %v", s.deadline)
	}
	c.Read(buf)
	if !s.deadline.Equal(want) {
		t.Errorf("got deadline %v, want net/http's %v", s.deadline, want)
	}
	c.Read(buf[1:])
	c.Close()
	if h.moved != 0 || s.closed != 1 {
		t.Errorf("got %d moves, %d closes; want 0, 1", h.moved, s.closed)
	}
}

// The same while the drain begins for it, a moment that lasts here because begin
// needs the lock of the set for a connection that is kept. A deadline in the past
// would end the request in the middle.
func TestBytesComeWhileTheDrainBegins(t *testing.T) {
	s := &scripted{reads: []read{{"G", nil}}}
	h := newHome()
	c := h.conn(s, movable)
	k := newKept(c, keptWebSocket, nil)
	k.hijacked.Store(true)
	c.kept.Store(k)
	var begin sync.WaitGroup
	h.mu.Lock()
	begin.Go(func() { c.begin(modeMove, nil) })
	poll(t, "the drain to begin", func() bool { return c.mode() == modeMove })
	c.read(make([]byte, 16))
	h.mu.Unlock()
	begin.Wait()
	if past(s.deadline) {
		t.Error("the deadline of the wait is in force in the request")
	}
}

// Whatever the handler did, a hijacked connection never moves.
func TestHijackedNeverMoves(t *testing.T) {
	s := &scripted{reads: []read{{"GET", nil}, {"", os.ErrDeadlineExceeded}}}
	h := newHome()
	c := h.conn(s, movable)
	buf := make([]byte, 16)
	c.Read(buf)
	c.stateChanged(c, http.StateActive)
	c.stateChanged(c, http.StateHijacked)
	c.begin(modeMove, nil)
	c.SetReadDeadline(time.Time{})
	if !s.deadline.IsZero() {
		t.Errorf("got deadline %v, want the handler's own", s.deadline)
	}
	c.Read(buf)
	c.Close()
	if h.moved != 0 {
		t.Error("it moved")
	}
}

// The preface of HTTP/2, in whatever pieces it comes, keeps a connection here.
func TestPrefaceNeverMoves(t *testing.T) {
	for _, reads := range [][]read{
		{{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nil}},
		{{"P", nil}, {"RI", nil}, {" ", nil}},
		{{"PRI ", nil}, {"* HTTP/2.0\r\n\r\n", nil}},
	} {
		c := newHome().conn(&scripted{reads: reads}, movable)
		buf := make([]byte, 32)
		for range len(reads) {
			c.Read(buf)
		}
		if !c.isHTTP2(c) {
			t.Errorf("%v: not seen as HTTP/2", reads)
		}
		if c.begin(modeMove, nil); c.life.mode != modeLinger {
			t.Errorf("%v: got mode %v, want linger", reads, c.life.mode)
		}
	}
	c := newHome().conn(&scripted{reads: []read{{"PROPFIND", nil}}}, movable)
	c.Read(make([]byte, 32))
	if c.isHTTP2(c) {
		t.Error("PROPFIND is not HTTP/2")
	}
}

// A wait that was ended and goes on with a request after all, as where net/http
// looks for HTTP/2 first, is no move: its Close closes.
func TestEndedWaitThatGoesOn(t *testing.T) {
	s := &scripted{reads: []read{{"", os.ErrDeadlineExceeded}, {"GET", nil}}}
	h := newHome()
	c := h.conn(s, movable)
	c.begin(modeMove, nil)
	buf := make([]byte, 14)
	if _, err := c.Read(buf); err == nil {
		t.Fatal("the wait was not ended")
	}
	c.Read(buf)
	if c.Close(); h.moved != 0 || s.closed != 1 {
		t.Errorf("got %d moves, %d closes; want 0, 1", h.moved, s.closed)
	}
}

// A connection whose next request is in net/http's buffer is not on its way:
// others need not wait until it is answered.
func TestPipelinedRequestSettles(t *testing.T) {
	c := newHome().conn(&scripted{reads: []read{{"GET", nil}}}, movable)
	c.Read(make([]byte, 16))
	c.stateChanged(c, http.StateActive)
	c.stateChanged(c, http.StateIdle)
	settled := 0
	c.begin(modeMove, func() { settled++ })
	c.SetReadDeadline(time.Time{}) // net/http waits,
	c.SetReadDeadline(time.Time{}) // and has found it
	if settled != 1 {
		t.Errorf("settled %d times, want once", settled)
	}
}

// A connection that cannot move lingers; each byte of a request on its way
// gives it more time, and a request that has come is not hurried.
func TestLinger(t *testing.T) {
	s := &scripted{reads: []read{{"GET", nil}, {"G", nil}}}
	c := newHome().conn(s, fixed)
	buf := make([]byte, 16)
	c.Read(buf)
	c.stateChanged(c, http.StateActive)
	c.begin(modeLinger, nil)
	if got := c.announces(); got != announceFirst {
		t.Errorf("announce: got %v, want that it is the first time", got)
	}
	if got := c.announces(); got != announceAgain {
		t.Errorf("announce again: got %v, want that it was said before", got)
	}
	c.SetReadDeadline(time.Time{})
	if !s.deadline.IsZero() {
		t.Errorf("in a request: got deadline %v, want none", s.deadline)
	}
	c.stateChanged(c, http.StateIdle)
	c.SetReadDeadline(time.Time{})
	first := s.deadline
	if first.IsZero() || past(first) {
		t.Errorf("in a wait: got deadline %v, want the linger time's end", first)
	}
	c.Read(buf)
	if s.deadline.Before(first) {
		t.Errorf("after a byte: got deadline %v, earlier than %v", s.deadline, first)
	}
	c.stateChanged(c, http.StateActive)
	if !s.deadline.IsZero() {
		t.Errorf("in the next request: got deadline %v, want none", s.deadline)
	}
}

// No deadline is set where there is none, unless somebody has got hold of the
// connection below and may have set one.
func TestDeadlineIsSetWhenItChanges(t *testing.T) {
	s := new(scripted)
	c := newHome().conn(s, movable)
	c.SetReadDeadline(time.Time{})
	c.SetReadDeadline(time.Time{})
	if s.set != 0 {
		t.Errorf("without a deadline: got %d calls, want none", s.set)
	}
	c.SetReadDeadline(time.Now().Add(time.Hour))
	c.SetReadDeadline(time.Time{})
	c.SetReadDeadline(time.Time{})
	if s.set != 2 || !s.deadline.IsZero() {
		t.Errorf("after one: got %d calls, deadline %v; want 2 and none", s.set, s.deadline)
	}
	for range 2 {
		c.NetConn().SetReadDeadline(time.Now().Add(time.Hour))
		c.SetReadDeadline(time.Time{})
		if !s.deadline.IsZero() {
			t.Error("a deadline that was set below is in force still")
		}
	}
}

func TestCloseOnce(t *testing.T) {
	s, h := new(scripted), newHome()
	c := h.conn(s, movable)
	c.Close()
	if h.has(c) {
		t.Error("it is still in the set")
	}
	h.add(c)
	if err := c.Close(); err == nil || s.closed != 1 || !h.has(c) {
		t.Errorf("got %v, closed %d times, still in the set %v; want an error, once, and that the second Close does nothing", err, s.closed, h.has(c))
	}
}
