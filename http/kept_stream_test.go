//go:build linux

package restarthttp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/restart"
)

const events = "GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"

// sse writes its number and then a line for each send.
func sse(say <-chan string, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		me := w.Header().Get("Served-By")
		w.Header().Del("Served-By")
		n := 0
		state, again := Keep(r, func() []byte { return fmt.Append(nil, n) })
		if again {
			fmt.Sscan(string(state), &n)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for {
			select {
			case s := <-say:
				if s == "end" {
					return
				}
				n++
				fmt.Fprintf(w, "%s %s %d\n", me, s, n)
				w.(http.Flusher).Flush()
			case <-restart.Draining(r.Context()):
				return
			case <-r.Context().Done():
				return
			}
		}
	}
}

// within gives a handler what it waits for.
func within(t *testing.T, to chan<- string, s string) {
	t.Helper()
	select {
	case to <- s:
	case <-time.After(20 * time.Second):
		t.Errorf("no handler waits for %q", s)
	}
}

func TestStreamMoves(t *testing.T) { overEach(t, testStreamMoves) }

func testStreamMoves(t *testing.T, tr transport) {
	say := make(chan string)
	h := sse(say, nil)
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			new(echo).ServeHTTP(w, r)
			return
		}
		h(w, r)
	}))
	c := tr.dial(p)
	c.send(events)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	hears := func(want string) {
		t.Helper()
		got, err := body.ReadString('\n')
		if got != want || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	within(t, say, "a")
	hears("old a 1\n")
	p.drain()
	p.end()
	within(t, say, "b")
	hears("new b 2\n")
	within(t, say, "end")
	if rest, err := io.ReadAll(body); len(rest) != 0 || err != nil {
		t.Errorf("rest %q, %v", rest, err)
	}
	c.send(get("/2")) // the connection goes on
	c.receive(want("/2"))
}

// A handler of the successor that has no more to say ends the stream.
func TestStreamEndsInSuccessor(t *testing.T) { overEach(t, testStreamEndsInSuccessor) }

func testStreamEndsInSuccessor(t *testing.T, tr transport) {
	for name, h := range map[string]http.HandlerFunc{
		"says nothing": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			w.Header().Set("Content-Type", "text/event-stream")
		},
		"no Keep":    func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello")) },
		"no content": func(w http.ResponseWriter, r *http.Request) { Keep(r, nil); w.WriteHeader(204) },
		"forbidden":  func(w http.ResponseWriter, r *http.Request) { Keep(r, nil); http.Error(w, "no", http.StatusForbidden) },
		"other type": func(w http.ResponseWriter, r *http.Request) { Keep(r, nil); w.Write([]byte("hello")) },
	} {
		t.Run(name, func(t *testing.T) {
			say := make(chan string)
			old := sse(say, nil)
			p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if w.Header().Get("Served-By") == "old" {
					old(w, r)
					return
				}
				h(w, r)
			}))
			c := tr.dial(p)
			c.send(events)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			within(t, say, "a")
			p.drain()
			b, err := io.ReadAll(resp.Body)
			if string(b) != "old a 1\n" || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
			p.end()
		})
	}
}

// Compressed streams end, and so do those whose client has sent more.
func TestStreamsThatStay(t *testing.T) { overEach(t, testStreamsThatStay) }

func testStreamsThatStay(t *testing.T, tr transport) {
	for name, test := range map[string]struct {
		header http.Header
		with   string // sent with the request
		more   string // sent after it
	}{
		"compressed": {header: http.Header{"Content-Encoding": {"gzip"}}},
		"length":     {header: http.Header{"Content-Length": {"8"}}},
		"pipelined":  {more: get("/2")},
		"at once":    {with: get("/2")},
	} {
		t.Run(name, func(t *testing.T) {
			say := make(chan string)
			old := sse(say, test.header)
			p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/events" {
					old(w, r)
					return
				}
				new(echo).ServeHTTP(w, r)
			}))
			p.old.Linger = 50 * time.Millisecond
			c := tr.dial(p)
			c.send(events + test.with)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			within(t, say, "a")
			c.send(test.more)
			if tr.client == nil { // net/http reads one byte
				poll(t, "what was sent to be read", func() bool { return p.oldRun().conns.list()[0].sentEarly() == (test.more != "") })
			} else {
				p.consumed(c)
			}
			p.drain()
			b, err := io.ReadAll(resp.Body)
			if string(b) != "old a 1\n" || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
			if test.with+test.more != "" {
				c.receive(want("/2"))
			}
			p.end()
			c.send(get("/3"))
			c.receive(want("/3"))
		})
	}
}

// What the handler has written and not flushed comes before what the successor's
// writes, and a long header is no obstacle.
func TestLastWordsOfAStream(t *testing.T) { overEach(t, testLastWordsOfAStream) }

func testLastWordsOfAStream(t *testing.T, tr transport) {
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, again := Keep(r, nil)
		w.Header().Set("Content-Type", "text/event-stream")
		w.Header().Set("X-Long", strings.Repeat("x", 10_000))
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		if again {
			io.WriteString(w, "new\n")
			return
		}
		<-restart.Draining(r.Context())
		io.WriteString(w, "old\n")
	}))
	c := tr.dial(p)
	c.send(events)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.drain()
	if b, err := io.ReadAll(resp.Body); string(b) != "old\nnew\n" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	p.end()
	p.wantMoves(1)
}

// What the successor does not take goes on here.
func TestStreamThatNobodyTakes(t *testing.T) { overEach(t, testStreamThatNobodyTakes) }

func testStreamThatNobodyTakes(t *testing.T, tr transport) {
	say := make(chan string)
	h := sse(say, nil)
	var calls atomic.Int64
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		h(w, r)
	}))
	p.old.Linger = 10 * time.Second
	p.sendBy(func(net.Conn, []byte) error { return errors.New("no") })
	c := tr.dial(p)
	c.send(events)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	within(t, say, "a")
	p.drain()
	poll(t, "the handler to be called again", func() bool { return calls.Load() == 2 })
	within(t, say, "b")
	within(t, say, "end")
	if b, err := io.ReadAll(resp.Body); string(b) != "old a 1\nold b 2\n" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	p.end()
}
