//go:build linux

package restarthttp

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestWebSocketMoves(t *testing.T) { overEach(t, testWebSocketMoves) }

func testWebSocketMoves(t *testing.T, tr transport) {
	e := new(echoWS)
	p := tr.pair(t, e)
	c := tr.dial(p)
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	p.drain()
	p.end()
	c.send(masked(1, true, "b"))
	c.hears("new b 2")
	p.wantMoves(1)
	c.send(masked(8, true, "\x03\xe8"))
	c.hears("close 1000")
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	if e.told.Load() != 0 {
		t.Error("told to say goodbye")
	}
}

// Middleware, which runs before the handler calls Keep, knows a request that was
// counted in the predecessor.
func TestResumed(t *testing.T) { overEach(t, testResumed) }

func testResumed(t *testing.T, tr transport) {
	e := new(echoWS)
	resumed := make(chan bool, 2)
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resumed <- Resumed(r.Context())
		e.ServeHTTP(w, r)
	}))
	c := tr.dial(p)
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	p.drain()
	p.end()
	if inOld, inNew := <-resumed, <-resumed; inOld || !inNew {
		t.Errorf("got %v in the predecessor and %v in the successor, want false and true", inOld, inNew)
	}
	c.send(masked(8, true, "\x03\xe8"))
	c.hears("close 1000")
}

// Whatever part of a message has been read, it is answered here, and then the
// connection moves.
func TestWebSocketMovesAtEndOfMessage(t *testing.T) { overEach(t, testWebSocketMovesAtEndOfMessage) }

func testWebSocketMovesAtEndOfMessage(t *testing.T, tr transport) {
	long := strings.Repeat("x", 300)
	for _, test := range []struct{ name, first, rest, want string }{
		{"one byte", masked(1, true, "m")[:1], masked(1, true, "m")[1:], "m"},
		{"header", masked(1, true, "m")[:6], masked(1, true, "m")[6:], "m"},
		{"half a long header", masked(1, true, long)[:3], masked(1, true, long)[3:], long},
		{"payload", masked(1, true, "hello")[:8], masked(1, true, "hello")[8:], "hello"},
		{"a fragment", masked(1, false, "he"), masked(0, true, "llo"), "hello"},
		{"a fragment and a ping", masked(1, false, "he") + masked(9, true, ""), masked(0, true, "llo"), "hello"},
		{"a fragment and an empty one", masked(1, false, "he") + masked(0, false, ""), masked(0, true, "llo"), "hello"},
		{"a message and half a one", masked(1, true, "zero") + masked(1, true, "m")[:4], masked(1, true, "m")[4:], "m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := new(echoWS)
			p := tr.pair(t, e)
			c := tr.dial(p)
			c.upgrade()
			c.send(masked(1, true, "a"))
			c.hears("old a 1")
			c.send(test.first)
			n := 2
			if strings.Contains(test.first, "zero") {
				c.hears("old zero 2")
				n++
			}
			p.consumed(c)
			p.drain()
			p.draining()
			c.send(test.rest + masked(1, true, "next"))
			c.hears(fmt.Sprintf("old %s %d", test.want, n))
			got, err := nextMessage(c.br) // may have been read in one go
			if err != nil || !strings.HasSuffix(got, fmt.Sprintf(" next %d", n+1)) {
				t.Errorf("got %q, %v", got, err)
			}
			p.end()
			c.send(masked(1, true, "last"))
			if got, err := nextMessage(c.br); got != fmt.Sprintf("new last %d", n+2) {
				t.Errorf("got %q, %v; the handlers' last error: %v", got, err, e.err())
			}
		})
	}
}

// Deadlines that the handler sets all the time do not keep the connection here,
// and one that has passed is an error of its own.
func TestDeadlinesOfHandler(t *testing.T) { overEach(t, testDeadlinesOfHandler) }

func testDeadlinesOfHandler(t *testing.T, tr transport) {
	e := &echoWS{use: func(c *wsPart, again bool) {
		if !again {
			go func() {
				for range 2000 {
					c.SetReadDeadline(time.Now().Add(time.Minute))
					runtime.Gosched()
				}
			}()
		}
	}}
	p := tr.pair(t, e)
	var all []*client
	for range 20 {
		c := tr.dial(p)
		c.upgrade()
		all = append(all, c)
	}
	p.drain()
	p.end()
	for _, c := range all {
		c.send(masked(1, true, "m"))
		c.hears("new m 1")
	}
	p.wantMoves(20)
}

// A handler that does not close is not waited for.
func TestHandlerThatDoesNotClose(t *testing.T) { overEach(t, testHandlerThatDoesNotClose) }

func testHandlerThatDoesNotClose(t *testing.T, tr transport) {
	defer func(d time.Duration) { closeBound = d }(closeBound)
	closeBound = 100 * time.Millisecond
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, again := Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			return
		}
		if again {
			defer c.Close()
		}
		if m, err := c.next(); err == nil {
			c.say("new " + m)
		}
	}))
	c := tr.dial(p)
	c.upgrade()
	p.drain()
	p.end()
	c.send(masked(1, true, "m"))
	c.hears("new m")
}
