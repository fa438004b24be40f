//go:build linux

package restarthttp

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/restart"
)

// A lateWS answers the handshake before it hijacks, as some libraries do. What the
// client sends in between is read by net/http and, with TLS, by crypto/tls.
type lateWS struct {
	t       *testing.T
	proceed chan struct{} // closed when the first handler may hijack
}

func (l *lateWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, resumed := Keep(r, nil)
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.WriteHeader(http.StatusSwitchingProtocols)
	control := http.NewResponseController(w)
	if !resumed {
		if err := control.Flush(); err != nil {
			l.t.Error(err)
		}
		<-l.proceed
	}
	conn, brw, err := control.Hijack()
	if err != nil {
		l.t.Error(err)
		return
	}
	defer conn.Close()
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			conn.Write(goaway(1001))
		case <-r.Context().Done():
		}
	}()
	for ws := (&wsPart{conn, brw.Reader, r}); ; {
		m, err := ws.next()
		if err != nil || strings.HasPrefix(m, "close") {
			return
		}
		ws.say(fmt.Sprintf("%.5s %d resumed %v", m, len(m), resumed))
	}
}

// early calls send and waits until net/http, whose handler is not done, has read some
// of what that has sent.
func (p *pair) early(send func()) {
	p.t.Helper()
	sc := p.only()
	last := func() [3]byte {
		sc.mu.Lock()
		defer sc.mu.Unlock()
		return sc.life.last
	}
	before := last()
	send()
	poll(p.t, "what was sent to be read", func() bool { return last() != before })
}

// hearsOneOf is hears for a message that either server may have read.
func (c *client) hearsOneOf(want ...string) {
	c.t.Helper()
	got, err := nextMessage(c.br)
	if err != nil || !slices.Contains(want, got) {
		c.t.Fatalf("got %q, %v; want one of %q", got, err, want)
	}
}

func TestWebSocketMovesIfClientSpeaksEarly(t *testing.T) {
	overEach(t, testWebSocketMovesIfClientSpeaksEarly)
}

func testWebSocketMovesIfClientSpeaksEarly(t *testing.T, tr transport) {
	long := strings.Repeat("long ", 2000)
	a, b, l := masked(1, true, "a"), masked(1, true, "b"), masked(1, true, long)
	for _, test := range []struct {
		name        string
		with        string   // in one write with the handshake
		early       string   // after the answer, before the handler hijacks
		more        []string // the same, each in a write of its own
		answers     []string
		rest        string // when it is drained
		restAnswers string
	}{
		{name: "with the handshake", with: a, answers: []string{"a 1"}},
		{name: "half of it with the handshake", with: a[:3], rest: a[3:], restAnswers: "a 1"},
		{name: "a long one with the handshake", with: l, answers: []string{"long  10000"}},
		{name: "when it is answered", early: a, answers: []string{"a 1"}},
		{name: "a byte", early: a[:1], rest: a[1:], restAnswers: "a 1"},
		{name: "one and a half", early: a + b[:3], answers: []string{"a 1"}, rest: b[3:], restAnswers: "b 1"},
		{name: "in pieces", early: a[:2], more: []string{a[2:] + b[:4], b[4:]}, answers: []string{"a 1", "b 1"}},
		{name: "a long one", early: l, answers: []string{"long  10000"}},
		{name: "long ones", early: l, more: []string{l, a}, answers: []string{"long  10000", "long  10000", "a 1"}},
	} {
		for _, draining := range []bool{false, true} {
			t.Run(fmt.Sprint(test.name, ", draining ", draining), func(t *testing.T) {
				h := &lateWS{t, make(chan struct{})}
				p := tr.pair(t, h)
				p.old.Linger = 10 * time.Second
				c := tr.dial(p)
				c.send(upgrade + "\r\n" + test.with)
				resp, err := http.ReadResponse(c.br, nil)
				if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
					t.Fatalf("%v, %v", resp, err)
				}
				if test.early != "" {
					p.early(func() { c.send(test.early) })
				}
				for _, s := range test.more {
					c.send(s)
				}
				if draining {
					p.drain()
					p.draining()
				}
				close(h.proceed)
				for _, want := range test.answers {
					c.hearsOneOf(want+" resumed false", want+" resumed "+fmt.Sprint(draining))
				}
				if !draining {
					p.drain()
					p.draining()
				}
				if test.rest != "" {
					c.send(test.rest)
					c.hears(test.restAnswers + " resumed false")
				}
				p.end()
				c.send(masked(1, true, "last"))
				c.hears("last 4 resumed true")
				p.wantMoves(1)
			})
		}
	}
}

// A record that has begun when the handler hijacks is waited for.
func TestWebSocketWhoseRecordIsUnderWay(t *testing.T) {
	defer func(d time.Duration) { recordBound = d }(recordBound)
	for _, tr := range transports[1:] {
		for _, test := range []struct {
			name  string
			early string // in a record before that
			comes bool
			bound time.Duration
		}{
			{"comes", "", true, 20 * time.Second},
			{"comes after another", "a", true, 20 * time.Second},
			{"is late", "", false, 10 * time.Millisecond},
			{"is late after another", "a", false, 10 * time.Millisecond},
		} {
			t.Run(tr.name+" "+test.name, func(t *testing.T) {
				recordBound = test.bound
				h := &lateWS{t, make(chan struct{})}
				p := tr.pair(t, h)
				p.old.Linger = 50 * time.Millisecond
				g := &gated{Conn: p.dial().Conn}
				c := p.secure(g, tr.client)
				c.upgrade()
				g.hold(0)
				if test.early != "" {
					c.send(masked(1, true, test.early))
				}
				c.send(masked(1, true, "late"))
				p.early(func() { g.releaseBut(9) })
				close(h.proceed)
				if test.comes {
					poll(t, "Hijack", func() bool {
						sc := p.only()
						sc.mu.Lock()
						defer sc.mu.Unlock()
						return sc.life.stage == stageHijacked
					})
					g.release()
				}
				if test.early != "" {
					c.hears("a 1 resumed false")
				}
				if !test.comes {
					poll(t, "the handler to have it", func() bool { return !p.only().keeps() })
					g.release()
				}
				c.hears("late 4 resumed false")
				p.drain()
				if !test.comes {
					c.hears("close 1001")
					c.send(masked(8, true, "\x03\xe9"))
					p.end()
					return
				}
				p.end()
				c.send(masked(1, true, "last"))
				c.hears("last 4 resumed true")
			})
		}
	}
}
