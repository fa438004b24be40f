//go:build linux

package restarthttp

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/restart"
)

// These are told to say goodbye.
func TestWebSocketsThatStay(t *testing.T) { overEach(t, testWebSocketsThatStay) }

func testWebSocketsThatStay(t *testing.T, tr transport) {
	for name, test := range map[string]struct {
		keep bool
		more string
		use  func(*wsPart)
	}{
		"not kept":         {},
		"context takeover": {keep: true, more: "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
		"half of it":       {keep: true, more: "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"},
		"unknown":          {keep: true, more: "Sec-WebSocket-Extensions: x-other\r\n"},
		"past us":          {keep: true, use: func(c *wsPart) { c.Conn.(interface{ NetConn() net.Conn }).NetConn() }},
	} {
		t.Run(name, func(t *testing.T) {
			p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.keep {
					Keep(r, nil)
				}
				c, err := accept(w, r, test.more)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if test.use != nil {
					test.use(c)
				}
				c.say("hello")
				go func() {
					select {
					case <-restart.Draining(r.Context()):
						c.Write(goaway(1001))
					case <-r.Context().Done():
					}
				}()
				for {
					if m, err := c.next(); err != nil || strings.HasPrefix(m, "close") {
						if Moved(r.Context()) {
							t.Error("it moved")
						}
						return
					}
				}
			}))
			p.old.Linger = 50 * time.Millisecond
			c := tr.dial(p)
			c.upgrade()
			c.hears("hello")
			p.drain()
			c.hears("close 1001")
			c.send(masked(8, true, "\x03\xe9"))
			p.end()
			p.wantMoves(0)
		})
	}
}

// A close handshake that has begun is finished here.
func TestClosingStays(t *testing.T) { overEach(t, testClosingStays) }

func testClosingStays(t *testing.T, tr transport) {
	began := make(chan struct{})
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			return
		}
		defer c.Close()
		c.Write(goaway(1008))
		close(began)
		m, err := c.next()
		if m != "close 1008" || err != nil {
			t.Errorf("got %q, %v", m, err)
		}
	}))
	c := tr.dial(p)
	c.upgrade()
	<-began
	p.drain()
	p.draining()
	c.hears("close 1008")
	c.send(masked(8, true, "\x03\xf0"))
	p.end()
	p.wantMoves(0)
}

// Nobody knows what a handler has that does not read.
func TestHandlerThatDoesNotRead(t *testing.T) { overEach(t, testHandlerThatDoesNotRead) }

func testHandlerThatDoesNotRead(t *testing.T, tr transport) {
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			return
		}
		defer c.Close()
		<-restart.Draining(r.Context())
		c.Write(goaway(1001))
	}))
	p.old.Linger = 50 * time.Millisecond
	c := tr.dial(p)
	c.upgrade()
	p.drain()
	c.hears("close 1001")
	p.end()
	p.wantMoves(0)
}

// Keep comes too late: nothing is held up, nothing moves.
func TestKeepTooLate(t *testing.T) { overEach(t, testKeepTooLate) }

func testKeepTooLate(t *testing.T, tr transport) {
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			c, err := accept(w, r, "")
			if err != nil {
				return
			}
			defer c.Close()
			Keep(r, nil)
			c.say("hello")
			<-restart.Draining(r.Context())
			c.Write(goaway(1001))
			return
		}
		io.WriteString(w, "GET ")
		w.(http.Flusher).Flush()
		Keep(r, nil)
		io.WriteString(w, "/1  ")
		w.(http.Flusher).Flush()
	}))
	p.old.Linger = 50 * time.Millisecond
	c, d := tr.dial(p), tr.dial(p)
	c.upgrade()
	c.hears("hello")
	d.send(get("/1"))
	d.receive(want("/1"))
	p.drain()
	c.hears("close 1001")
	p.end()
	d.send(get("/1"))
	d.receive(want("/1"))
}

// Without a successor all are told.
func TestKeptWhenItStops(t *testing.T) { overEach(t, testKeptWhenItStops) }

func testKeptWhenItStops(t *testing.T, tr transport) {
	e := new(echoWS)
	p := tr.pair(t, e)
	p.oldRun().successor = func(context.Context) sender { return nil }
	p.old.Linger = 50 * time.Millisecond
	c := tr.dial(p)
	c.upgrade()
	p.drain()
	c.hears("close 1001")
	c.send(masked(8, true, "\x03\xe9"))
	p.end()
}
