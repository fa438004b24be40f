//go:build linux

package restarthttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// What the successor does not take goes on here, until the client is told.
func TestWebSocketThatNobodyTakes(t *testing.T) { overEach(t, testWebSocketThatNobodyTakes) }

func testWebSocketThatNobodyTakes(t *testing.T, tr transport) {
	e := new(echoWS)
	p := tr.pair(t, e)
	p.old.Linger = 100 * time.Millisecond
	p.oldRun().successor = func(context.Context) sender {
		return sendFunc(func(net.Conn, []byte) error { return errors.New("no") })
	}
	c := tr.dial(p)
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	p.drain()
	c.hears("close 1001")
	c.send(masked(8, true, "\x03\xe9"))
	p.end()
	if e.resumed.Load() != 1 || e.told.Load() != 1 {
		t.Errorf("resumed %d, told %d", e.resumed.Load(), e.told.Load())
	}
}

// The drain may be late for a connection that its handler has given up already. It
// does not end the reads of who serves the socket now.
func TestLateDrainOfAWebSocketThatNobodyTakes(t *testing.T) {
	overEach(t, testLateDrainOfAWebSocketThatNobodyTakes)
}

func testLateDrainOfAWebSocketThatNobodyTakes(t *testing.T, tr transport) {
	e := new(echoWS)
	p := tr.pair(t, e)
	p.old.Linger = 10 * time.Second
	p.oldRun().successor = func(context.Context) sender {
		return sendFunc(func(net.Conn, []byte) error { return errors.New("no") })
	}
	c := tr.dial(p)
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	given := p.only()
	p.drain()
	poll(t, "the second handler", func() bool { return e.resumed.Load() == 1 })
	given.interrupt() // as leave does, which has told the handler before
	c.send(masked(1, true, "b"))
	c.hears("old b 2")
	c.send(masked(8, true, "\x03\xe9"))
	p.end()
}

// A handler that does not go on as agreed: the client is told to come again.
func TestSuccessorDisagrees(t *testing.T) { overEach(t, testSuccessorDisagrees) }

func testSuccessorDisagrees(t *testing.T, tr transport) {
	for name, handle := range map[string]func(w http.ResponseWriter, r *http.Request){
		"no Keep": func(w http.ResponseWriter, r *http.Request) {
			if c, err := accept(w, r, "Sec-WebSocket-Protocol: a\r\n"); err == nil {
				c.say("welcome")
				c.Close()
			}
		},
		"forbidden": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"nothing":   func(w http.ResponseWriter, r *http.Request) {},
		"panic":     func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"other protocol": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			if c, err := accept(w, r, "Sec-WebSocket-Protocol: b\r\n"); err == nil {
				c.say("welcome")
				c.Close()
			}
		},
		"compression": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			if c, err := accept(w, r, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"); err == nil {
				c.say("welcome")
				c.Close()
			}
		},
		"header through net/http": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			w.WriteHeader(http.StatusSwitchingProtocols)
			c, brw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := brw.ReadByte(); err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write(text("welcome")); err == nil {
				t.Error("it could write")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if w.Header().Get("Served-By") == "new" {
					if got := r.Header.Get("Sec-WebSocket-Protocol"); got != "a" {
						t.Errorf("offered %q, want what was agreed upon", got)
					}
					handle(w, r)
					return
				}
				Keep(r, nil)
				c, err := accept(w, r, "Sec-WebSocket-Protocol: a\r\n")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.next()
			}))
			c := tr.dial(p)
			c.upgrade()
			p.drain()
			c.send(masked(9, true, "on its way"))
			c.hears("close 1012")
			if _, err := c.br.ReadByte(); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
				t.Errorf("got %v, want the end", err)
			}
			p.end()
		})
	}
}
