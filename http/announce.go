package restarthttp

import (
	"math/rand/v2"
	"net/http"
	"time"
)

// Clients whose connections cannot move are told to come back: those of HTTP/1
// by "Connection: close", those of HTTP/2 by GOAWAY, and those that a handler
// keeps busy by the handler, see restart.Draining.

// announce is called in a drain before a handler writes its response. With HTTP/2
// net/http would make GOAWAY of the header: too early for what is on the wire,
// see goAway.
func (r *run) announce(w http.ResponseWriter, req *http.Request) {
	if req.ProtoMajor > 1 {
		return
	}
	c := connOf(req.Context())
	if c == nil {
		return
	}
	switch c.announces() {
	case announceNot:
		return
	case announceFirst:
		r.server.announced.Add(1)
	case announceAgain:
	}
	w.Header().Set("Connection", "close")
}

func (c *conn) announces() announcement {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.announces()
}

// draining returns the channel that tells the handlers of this connection of a
// drain. All of a connection's handlers have the same one.
func (c *conn) draining() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.signal.channel()
}

// tell tells the handler that has the connection now, and those to come.
func (c *conn) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.signal.sendWithin(c.home.lingerTime())
}

// A signal tells handlers once. It has no channel until a handler asks for one:
// most never do.
type signal struct {
	stage signalStage
	ch    chan struct{} // nil until a handler asks
	bound time.Duration // from signalDue on
}

type signalStage uint8

const (
	signalNot  signalStage = iota
	signalDue              // to be sent to a handler that asks
	signalSent             // or will be soon
)

func (s *signal) channel() <-chan struct{} {
	if s.ch == nil {
		s.ch = make(chan struct{})
		if s.stage == signalDue {
			s.send()
		}
	}
	return s.ch
}

// sendWithin sends the signal at some moment within the time: if all handlers
// were told at once, all clients would come to the successor at once.
func (s *signal) sendWithin(bound time.Duration) {
	if s.stage != signalNot {
		return
	}
	s.stage, s.bound = signalDue, bound
	if s.ch != nil {
		s.send()
	}
}

// sendNow sends the signal at once, unless that is under way.
func (s *signal) sendNow() {
	if s.stage != signalSent {
		s.stage = signalNot
		s.sendWithin(0)
	}
}

func (s *signal) send() {
	s.stage = signalSent
	ch := s.ch
	time.AfterFunc(rand.N(s.bound+1), func() { close(ch) })
}
