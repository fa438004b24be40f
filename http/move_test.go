package http

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

func get(path string) string  { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
func want(path string) string { return "GET " + path + "  " }

func TestIdleConnectionMoves(t *testing.T) {
	p := newPair(t, new(echo))
	c := p.dial()
	c.send(get("/1"))
	if got, want := c.receive(want("/1")), "old"; got != want {
		t.Errorf("before: got %q, want %q", got, want)
	}
	p.drain()
	p.end()
	c.send(get("/2"))
	if got, want := c.receive(want("/2")), "new"; got != want {
		t.Errorf("after: got %q, want %q", got, want)
	}
	if p.moved() != 1 {
		t.Errorf("got %d moves, want 1", p.moved())
	}
}

// An empty line after a POST (RFC 9112, 2.2) is no request that the drain would
// have to wait for, whenever it comes.
func TestConnectionMovesWithAnEmptyLine(t *testing.T) {
	const post = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for name, line := range map[string]struct{ with, after string }{
		"with the body":      {"\r\n", ""},
		"after the response": {"", "\r\n"},
		"in two pieces":      {"\r", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, new(echo))
			c := p.dial()
			c.send(post + line.with)
			c.receive("POST /1 hello ")
			c.send(line.after)
			poll(t, "the empty line to be read", func() bool {
				p.old.core.fleet.mu.Lock()
				defer p.old.core.fleet.mu.Unlock()
				for c := range p.old.core.fleet.conns {
					c.mu.Lock()
					defer c.mu.Unlock()
					return c.wait == waitNext && c.last == [3]byte{'o', '\r', '\n'}
				}
				return false
			})
			p.drain()
			p.end()
			if p.ctx.Err() != nil {
				t.Error("it took the hammer")
			}
			c.send(get("/2"))
			if got, want := c.receive(want("/2")), "new"; got != want {
				t.Errorf("after: got %q, want %q", got, want)
			}
		})
	}
}

func TestConnectionThatHasSentNothingMoves(t *testing.T) {
	p := newPair(t, new(echo))
	c := p.dial()
	poll(t, "accept", func() bool {
		p.old.core.fleet.mu.Lock()
		defer p.old.core.fleet.mu.Unlock()
		return len(p.old.core.fleet.conns) == 1
	})
	p.drain()
	p.end()
	c.send(get("/1"))
	if got, want := c.receive(want("/1")), "new"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A request in flight is answered where it began; the connection then moves.
func TestBusyConnectionMovesAfterItsResponse(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 1)
	e := new(echo)
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			started <- struct{}{}
			<-release
		}
		e.ServeHTTP(w, r)
	}))
	c := p.dial()
	c.send(get("/slow"))
	<-started
	p.drain()
	p.draining()
	close(release)
	if got, want := c.receive(want("/slow")), "old"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.end()
	c.send(get("/2"))
	if got, want := c.receive(want("/2")), "new"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A refusal by the successor loses nothing: the connection is served here.
func TestRefusedConnectionIsServedOn(t *testing.T) {
	p := newPair(t, new(echo))
	p.new.core.lobby.Close()
	c := p.dial()
	c.send(get("/1"))
	c.receive(want("/1"))
	p.old.core.linger.Store(0)
	p.drain()
	p.draining()
	c.send(get("/2"))
	if got, want := c.receive(want("/2")), "old"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.end()
}

// Requests as clients may send them, in bytes, with what must come back.
var conversations = []struct {
	name  string
	sent  string
	want  []string
	paths []string
}{
	{"two pipelined", get("/a") + get("/b"), []string{want("/a"), want("/b")}, []string{"/a", "/b"}},
	{
		"pipelined POSTs",
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello" +
			"POST /b HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nyou",
		[]string{"POST /a hello ", "POST /b you "},
		[]string{"/a", "/b"},
	},
	{
		"chunked with trailer",
		"POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: Sum\r\n\r\n" +
			"5\r\nhello\r\n3\r\nyou\r\n0\r\nSum: 42\r\n\r\n" + get("/b"),
		[]string{"POST /a helloyou 42", want("/b")},
		[]string{"/a", "/b"},
	},
	{
		"stray CRLF after a POST", // what net/http takes, and no more
		"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\r\n" + get("/b"),
		[]string{"POST /a hello ", want("/b")},
		[]string{"/a", "/b"},
	},
	{
		"HTTP/1.0 keep-alive",
		"GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /b HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
		[]string{want("/a"), want("/b")},
		[]string{"/a", "/b"},
	},
}

// Whatever byte of a conversation the drain falls on, each request is answered
// once, in order and whole, by one of the two.
func TestDrainAtEveryByte(t *testing.T) {
	for _, conv := range conversations {
		t.Run(conv.name, func(t *testing.T) {
			for at := range len(conv.sent) + 1 {
				for _, wait := range []string{"consumed", "not consumed", "drained first"} {
					splitAt(t, conv.sent, conv.want, conv.paths, at, wait)
					if t.Failed() {
						t.Fatalf("at byte %d of %q, %s", at, conv.sent, wait)
					}
				}
			}
		})
	}
}

// splitAt sends the first bytes, begins a drain, and sends the rest.
func splitAt(t *testing.T, sent string, want, paths []string, at int, wait string) {
	t.Run(fmt.Sprint(at, wait), func(t *testing.T) {
		e := new(echo)
		p := newPair(t, e)
		c := p.dial()
		c.send(get("/first"))
		c.receive("GET /first  ")

		c.send(sent[:at])
		complete := completed(sent[:at], len(want))
		if wait == "consumed" {
			// What is complete has been answered, the rest is in net/http's
			// buffer or on its way there.
			for i := range complete {
				poll(t, "an answer", func() bool { return e.times(paths[i]) == 1 })
			}
		}
		p.drain()
		if wait != "not consumed" {
			p.draining()
		}
		c.send(sent[at:])
		for _, w := range want {
			c.receive(w)
		}
		c.send(get("/last"))
		c.receive("GET /last  ")
		for _, path := range paths {
			if got := e.times(path); got != 1 {
				t.Errorf("%s: answered %d times, want once", path, got)
			}
		}
		p.end()
	})
}

// completed counts the requests that are whole in the bytes; the last one is
// not counted, so that nobody waits for one that may be in pieces.
func completed(sent string, n int) int {
	if strings.Contains(sent, "/b HTTP") && n > 1 {
		return 1
	}
	return 0
}

// A client that asks first (Expect: 100-continue) gets its answer wherever the
// drain falls.
func TestExpectContinueWhileDraining(t *testing.T) {
	const head = "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	for _, when := range []string{"before", "in the head", "after the head", "after 100"} {
		t.Run(when, func(t *testing.T) {
			e := new(echo)
			p := newPair(t, e)
			c := p.dial()
			c.send(get("/first"))
			c.receive(want("/first"))
			at := func(moment string) {
				if moment == when {
					p.drain()
					p.draining()
				}
			}
			at("before")
			c.send(head[:20])
			at("in the head")
			c.send(head[20:])
			at("after the head")
			line, err := c.br.ReadString('\n')
			if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("got %q, %v; want 100 Continue", line, err)
			}
			c.br.ReadString('\n')
			at("after 100")
			c.send("hel")
			c.send("lo")
			c.receive("POST /a hello ")
			c.send(get("/last"))
			c.receive(want("/last"))
			if got := e.times("/a"); got != 1 {
				t.Errorf("answered %d times, want once", got)
			}
			p.end()
		})
	}
}
