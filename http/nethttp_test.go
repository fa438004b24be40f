package restarthttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// What a program sets in its http.Server goes on to work as in any other.

// net/http serves parked as a second listener, but nobody has to know.
func TestBaseContextIsCalledOnce(t *testing.T) {
	var calls atomic.Int32
	p := newPairOf(t, new(echo), func(s *http.Server) {
		s.BaseContext = func(l net.Listener) context.Context {
			calls.Add(1)
			if _, ok := l.(*net.TCPListener); !ok {
				t.Errorf("got a %T, want the listener that was given to Serve", l)
			}
			return t.Context()
		}
	})
	c := p.dial()
	c.send(get("/1"))
	c.receive(want("/1"))
	p.drain()
	p.end()
	c.send(get("/2")) // by way of parked
	c.receive(want("/2"))
	if got := calls.Load(); got != 2 {
		t.Errorf("called %d times for two servers, want 2", got)
	}
}

// An event stream that ends when a function registered with the server is
// called does not hold the drain up.
func TestRegisterOnShutdown(t *testing.T) {
	stop, started := make(chan struct{}), make(chan struct{}, 1)
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).Flush()
		started <- struct{}{}
		select {
		case <-stop:
			io.WriteString(w, "bye")
		case <-r.Context().Done():
		}
	}))
	p.old.RegisterOnShutdown(func() { close(stop) })
	c := p.dial()
	c.send(get("/events"))
	<-started
	p.drain()
	p.end()
	if p.ctx.Err() != nil {
		t.Error("it took the hammer")
	}
}

// A ConnState hook that sets a deadline for idle connections keeps none from
// moving.
func TestConnStateSetsDeadline(t *testing.T) {
	idle := make(chan struct{}, 1)
	p := newPairOf(t, new(echo), func(s *http.Server) {
		s.ConnState = func(c net.Conn, state http.ConnState) {
			if state == http.StateIdle {
				c.SetReadDeadline(time.Now().Add(time.Hour))
				idle <- struct{}{}
			}
		}
	})
	c := p.dial()
	c.send(get("/1"))
	c.receive(want("/1"))
	<-idle
	p.drain()
	p.end()
	if p.moved() != 1 || p.ctx.Err() != nil {
		t.Errorf("got %d moves, want 1 without the hammer", p.moved())
	}
}
