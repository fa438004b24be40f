//go:build linux

package restarthttp

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/restart"
)

// A wait for an answer begins anew in the successor.
func TestLongPollMoves(t *testing.T) { overEach(t, testLongPollMoves) }

func testLongPollMoves(t *testing.T, tr transport) {
	answer := make(chan string)
	var calls atomic.Int64
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		Keep(r, func() []byte { return []byte("x") })
		select {
		case s := <-answer:
			fmt.Fprintf(w, "GET /poll  %s", s)
		case <-restart.Draining(r.Context()):
		case <-r.Context().Done():
		}
	}))
	c := tr.dial(p)
	for i := range 2 {
		c.send(get("/poll"))
		poll(t, "the request", func() bool { return calls.Load() == int64(i+1) })
		if i == 0 {
			go func() { within(t, answer, "") }()
			if got := c.receive(want("/poll")); got != "old" {
				t.Errorf("from %s", got)
			}
		}
	}
	p.drain()
	p.end()
	within(t, answer, "")
	if got := c.receive(want("/poll")); got != "new" {
		t.Errorf("from %s", got)
	}
	c.send(get("/poll"))
	within(t, answer, "")
	c.receive(want("/poll"))
}

// An empty answer is held back also if its header is long.
func TestLongPollWithALongHeader(t *testing.T) { overEach(t, testLongPollWithALongHeader) }

func testLongPollWithALongHeader(t *testing.T, tr transport) {
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Long", strings.Repeat("x", 10_000))
		if _, again := Keep(r, nil); again {
			io.WriteString(w, want("/poll"))
			return
		}
		<-restart.Draining(r.Context())
	}))
	c := tr.dial(p)
	c.send(get("/poll"))
	poll(t, "Keep", func() bool {
		all := p.oldRun().conns.list()
		return len(all) == 1 && all[0].keeps()
	})
	p.drain()
	if got := c.receive(want("/poll")); got != "new" {
		t.Errorf("from %s", got)
	}
	p.end()
}
