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
	c := newConn(s, o, false)
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
	c := newConn(s, o, false)
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
		{{"PRI ", nil}, {"* HTTP/2.0\r\n\r\n", nil}},
	} {
		c := newConn(&scripted{reads: reads}, new(ownerStub), false)
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
	c := newConn(&scripted{reads: []read{{"PROPFIND", nil}}}, new(ownerStub), false)
	c.Read(make([]byte, 32))
	if c.turnsOutHTTP2(c) {
		t.Error("PROPFIND is not HTTP/2")
	}
}

// A wait that was ended and goes on with a request after all, as where net/http
// looks for HTTP/2 first, is no move: its Close closes.
func TestEndedWaitThatGoesOn(t *testing.T) {
	s := &scripted{reads: []read{{"", os.ErrDeadlineExceeded}, {"GET", nil}}}
	o := new(ownerStub)
	c := newConn(s, o, false)
	c.begin(modeMove, nil)
	buf := make([]byte, 14)
	if _, err := c.Read(buf); err == nil {
		t.Fatal("the wait was not ended")
	}
	c.Read(buf)
	if c.Close(); o.moved != 0 || s.closed != 1 {
		t.Errorf("got %d moves, %d closes; want 0, 1", o.moved, s.closed)
	}
}

// A connection whose next request is in net/http's buffer is not on its way:
// others need not wait until it is answered.
func TestPipelinedRequestSettles(t *testing.T) {
	c := newConn(&scripted{reads: []read{{"GET", nil}}}, new(ownerStub), false)
	c.Read(make([]byte, 16))
	c.state(waitNone)
	c.state(waitNext)
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
	c := newConn(s, new(ownerStub), true)
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
	c := newConn(s, new(ownerStub), false)
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
	c := newConn(s, o, false)
	c.Close()
	if err := c.Close(); err == nil || s.closed != 1 || o.removed != 1 {
		t.Errorf("got %v, closed %d and removed %d times; want an error, once, once", err, s.closed, o.removed)
	}
}
