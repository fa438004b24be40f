//go:build linux

package restarthttp

import (
	"crypto/tls"
	"io"
	"net/http"
	"testing"
	"time"
)

// Part of a record has come when a stream is about to move: it is that of another
// request, so the stream ends and that is answered.
func TestStreamWhoseClientAsksAgain(t *testing.T) {
	for at := 1; at < len(get("/2"))+5+17; at += 7 {
		say := make(chan string)
		h := sse(say, nil)
		p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/events" {
				new(echo).ServeHTTP(w, r)
				return
			}
			h(w, r)
		}))
		wire := p.dial()
		g := &gated{Conn: wire.Conn}
		c := p.secure(g, transports[1].client)
		c.send(events)
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		within(t, say, "a")
		g.hold(at)
		c.send(get("/2"))
		p.consumed(wire)
		p.drain()
		p.draining()
		g.release()
		if b, err := io.ReadAll(resp.Body); string(b) != "old a 1\n" || err != nil {
			t.Fatalf("at byte %d: got %q, %v", at, b, err)
		}
		c.receive(want("/2"))
		p.end()
	}
}

// The client has changed its keys, so that its next record cannot be proved: the
// stream ends at once.
func TestStreamOfUnprovedConnection(t *testing.T) {
	say := make(chan string)
	p := newTLSPair(t, sse(say, nil))
	p.old.Linger = time.Minute
	c := p.dialTLS(&tls.Config{})
	c.send(events)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	within(t, say, "a")
	for _, s := range p.oldRun().conns.list() {
		s.tapped.tap.In(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
	}
	p.drain()
	if b, err := io.ReadAll(resp.Body); string(b) != "old a 1\n" || err != nil {
		t.Errorf("got %q, %v", b, err)
	}
	c.Close()
	p.end()
	p.wantMoves(0)
}
