package restarthttp

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

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
	newPair := func(t *testing.T, h http.Handler, _ ...*tls.Config) *pair { return newPair(t, h) }
	splitOver(t, (*pair).dial, newPair, sent, want, paths, at, wait)
}

// splitOver is splitAt over what dial returns.
func splitOver(t *testing.T, dial func(*pair) *client, newPair func(*testing.T, http.Handler, ...*tls.Config) *pair, sent string, want, paths []string, at int, wait string) {
	t.Run(fmt.Sprint(at, wait), func(t *testing.T) {
		e := new(echo)
		p := newPair(t, e)
		c := dial(p)
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
