package http

import (
	"net"
	"net/http"
	"os"
	"testing"
	"time"
)

// A scripted is a connection whose reads return what the test says. It
// remembers the read deadline that is in force.
type scripted struct {
	net.Conn
	reads    []read
	deadline time.Time
	set      int // how often the deadline was
	closed   int
}

type read struct {
	data string
	err  error
}

func (s *scripted) Read(p []byte) (int, error) {
	r := s.reads[0]
	s.reads = s.reads[1:]
	return copy(p, r.data), r.err
}

func (s *scripted) SetReadDeadline(t time.Time) error { s.deadline = t; s.set++; return nil }
func (s *scripted) Close() error                      { s.closed++; return nil }

// An ownerStub takes every connection that comes up for a move.
type ownerStub struct {
	moved, removed int
	idle           time.Time
}

func (o *ownerStub) move(net.Conn) bool        { o.moved++; return true }
func (o *ownerStub) remove(*conn)              { o.removed++ }
func (o *ownerStub) lingerTime() time.Duration { return time.Hour }
func (o *ownerStub) idleDeadline() time.Time   { return o.idle }

func past(t time.Time) bool { return !t.IsZero() && t.Before(time.Now()) }

// Bytes that arrive as the drain begins make a wait a request: its deadline is
// net/http's again, and the connection does not move.
func TestBytesThatCrossTheDrain(t *testing.T) {
	s := &scripted{reads: []read{{"G", nil}, {"", os.ErrDeadlineExceeded}}}
	o := new(ownerStub)
	c := newConn(s, o, false, false)
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
	if o.moved != 0 || s.closed != 1 {
		t.Errorf("got %d moves, %d closes; want 0, 1", o.moved, s.closed)
	}
}

// Whatever the handler did, a hijacked connection never moves.
func TestHijackedNeverMoves(t *testing.T) {
	s := &scripted{reads: []read{{"GET", nil}, {"", os.ErrDeadlineExceeded}}}
	o := new(ownerStub)
	c := newConn(s, o, false, false)
	buf := make([]byte, 16)
	c.Read(buf)
	c.state(waitOf(http.StateActive))
	c.state(waitOf(http.StateHijacked))
	c.begin(modeMove, nil)
	c.SetReadDeadline(time.Time{})
	if !s.deadline.IsZero() {
		t.Errorf("got deadline %v, want the handler's own", s.deadline)
	}
	c.Read(buf)
	c.Close()
	if o.moved != 0 {
		t.Error("it moved")
	}
}

// The preface of HTTP/2, in whatever pieces it comes, keeps a connection here.
func TestPrefaceNeverMoves(t *testing.T) {
	for _, reads := range [][]read{
		{{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", nil}},
		{{"P", nil}, {"RI", nil}, {" ", nil}},
	} {
		c := newConn(&scripted{reads: reads}, new(ownerStub), false, false)
		buf := make([]byte, 32)
		for range len(reads) {
			c.Read(buf)
		}
		if !c.turnsOutHTTP2(c) {
			t.Errorf("%v: not seen as HTTP/2", reads)
		}
		if c.begin(modeMove, nil); c.drain != modeLinger {
			t.Errorf("%v: got mode %v, want linger", reads, c.drain)
		}
	}
	c := newConn(&scripted{reads: []read{{"PROPFIND", nil}}}, new(ownerStub), false, false)
	c.Read(make([]byte, 32))
	if c.turnsOutHTTP2(c) {
		t.Error("PROPFIND is not HTTP/2")
	}
}

// An adopted connection has been idle: until its first byte the idle time-out
// holds, and only then does the time for reading a request begin.
func TestAdoptedConnectionIsIdle(t *testing.T) {
	s := &scripted{reads: []read{{"\r\nGET", nil}}}
	o := &ownerStub{idle: time.Now().Add(time.Hour)}
	c := newConn(s, o, false, true)
	c.since = time.Now().Add(-time.Minute) // it has waited for a minute
	began := time.Now()
	c.SetReadDeadline(began.Add(time.Second)) // ReadHeaderTimeout, from when net/http began
	if !s.deadline.Equal(o.idle) {
		t.Errorf("while it waits: got deadline %v, want the idle one %v", s.deadline, o.idle)
	}
	buf := make([]byte, 16)
	if n, err := c.Read(buf); string(buf[:n]) != "GET" || err != nil {
		t.Errorf("got %q, %v; want the empty line skipped", buf[:n], err)
	}
	if late := s.deadline.Sub(began); late < time.Minute {
		t.Errorf("after its first byte: the deadline came only %v later than began", late)
	}
	c.SetReadDeadline(began.Add(time.Second)) // ReadTimeout, for the body
	if late := s.deadline.Sub(began); late < time.Minute {
		t.Errorf("for the body: the deadline came only %v later than began", late)
	}
}

// A connection that cannot move lingers; each byte of a request on its way
// gives it more time, and a request that has come is not hurried.
func TestLinger(t *testing.T) {
	s := &scripted{reads: []read{{"GET", nil}, {"G", nil}}}
	c := newConn(s, new(ownerStub), true, false)
	buf := make([]byte, 16)
	c.Read(buf)
	c.state(waitNone)
	c.begin(modeLinger, nil)
	if now, first := c.announce(); !now || !first {
		t.Errorf("announce: got %v, %v; want true, true", now, first)
	}
	if now, first := c.announce(); !now || first {
		t.Errorf("announce again: got %v, %v; want true, false", now, first)
	}
	c.SetReadDeadline(time.Time{})
	if !s.deadline.IsZero() {
		t.Errorf("in a request: got deadline %v, want none", s.deadline)
	}
	c.state(waitNext)
	c.SetReadDeadline(time.Time{})
	first := s.deadline
	if first.IsZero() || past(first) {
		t.Errorf("in a wait: got deadline %v, want the linger time's end", first)
	}
	c.Read(buf)
	if s.deadline.Before(first) {
		t.Errorf("after a byte: got deadline %v, earlier than %v", s.deadline, first)
	}
	c.state(waitNone)
	if !s.deadline.IsZero() {
		t.Errorf("in the next request: got deadline %v, want none", s.deadline)
	}
}

// No deadline is set where there is none, unless somebody has got hold of the
// connection below and may have set one.
func TestDeadlineIsSetWhenItChanges(t *testing.T) {
	s := new(scripted)
	c := newConn(s, new(ownerStub), false, false)
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
	s, o := new(scripted), new(ownerStub)
	c := newConn(s, o, false, false)
	c.Close()
	if err := c.Close(); err == nil || s.closed != 1 || o.removed != 1 {
		t.Errorf("got %v, closed %d and removed %d times; want an error, once, once", err, s.closed, o.removed)
	}
}
