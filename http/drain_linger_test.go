package restarthttp

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"testing"
	"time"
)

func TestLingerTime(t *testing.T) {
	for _, tt := range []struct {
		set      time.Duration
		replaced bool
		want     time.Duration
	}{
		{0, true, DefaultLinger},
		{0, false, stopLinger},
		{time.Hour, true, time.Hour},
		{time.Hour, false, time.Hour},
		{-1, true, 0},
		{-time.Hour, false, 0},
	} {
		if got := lingerTime(tt.set, tt.replaced); got != tt.want {
			t.Errorf("Linger %v, replaced %v: got %v, want %v", tt.set, tt.replaced, got, tt.want)
		}
	}
}

// With a negative Linger, what waits for a request and cannot move is closed at
// once. What can move does, and requests that have begun are answered.
func TestNegativeLinger(t *testing.T) {
	for _, moves := range []bool{true, false} {
		answer := make(chan struct{})
		p := newPairBy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				<-answer
			}
			new(echo).ServeHTTP(w, r)
		}), func(_ string, s *Server) { s.Linger = -time.Hour })
		if !moves {
			p.oldRun().successor = func(context.Context) sender { return nil }
		}
		idle := p.dial()
		idle.send(get("/1"))
		idle.receive(want("/1"))
		p.waitIdle()
		busy := p.dial()
		busy.send(get("/slow"))
		poll(t, "the request", func() bool { return p.busy() == 1 })
		p.drain()
		p.draining()
		if moves {
			idle.send(get("/2"))
			if by := idle.receive(want("/2")); by != "new" {
				t.Errorf("the idle one was answered by %q, want new", by)
			}
		} else if _, err := idle.br.ReadByte(); err != io.EOF {
			t.Errorf("the idle one: got %v, want that it is closed", err)
		}
		close(answer)
		if by := busy.receive(want("/slow")); by != "old" {
			t.Errorf("the busy one was answered by %q, want old", by)
		}
		p.end()
	}
}

// busy returns how many connections of the old server have a request.
func (p *pair) busy() (n int) {
	for _, c := range p.oldRun().conns.list() {
		c.mu.Lock()
		if c.life.stage == stageBusy {
			n++
		}
		c.mu.Unlock()
	}
	return n
}

// Streams of HTTP/2 that have begun are answered.
func TestNegativeLingerWithHTTP2(t *testing.T) {
	begun, answer := make(chan struct{}), make(chan struct{})
	p := newPairBy(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(begun)
		<-answer
		new(echo).ServeHTTP(w, r)
	}), func(_ string, s *Server) { s.Linger = -1; h2c(s.HTTP) })
	tr := &http.Transport{Protocols: new(http.Protocols)}
	tr.Protocols.SetUnencryptedHTTP2(true)
	defer tr.CloseIdleConnections()
	body := make(chan string, 1)
	go func() {
		resp, err := (&http.Client{Transport: tr}).Get("http://" + p.addr + "/1")
		if err != nil {
			body <- err.Error()
			return
		}
		defer resp.Body.Close()
		var b bytes.Buffer
		_, err = b.ReadFrom(resp.Body)
		if err != nil {
			b.WriteString(err.Error())
		}
		body <- b.String()
	}()
	<-begun
	p.drain()
	p.draining()
	close(answer)
	if got := <-body; got != want("/1") {
		t.Errorf("got %q", got)
	}
	p.end()
}
