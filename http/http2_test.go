package restarthttp

import (
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// h2c lets a server speak HTTP/2 without TLS, beside HTTP/1.
func h2c(s *http.Server) {
	s.Protocols = new(http.Protocols)
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetUnencryptedHTTP2(true)
}

// A server that would speak HTTP/2 as well looks for it first, with a smaller
// read. Connections of HTTP/1 move all the same.
func TestHTTP1OfAnH2CServerMoves(t *testing.T) {
	p := newPairOf(t, new(echo), h2c)
	used, silent := p.dial(), p.dial()
	for _, path := range []string{"/1", "/2"} {
		used.send(get(path))
		used.receive(want(path))
	}
	poll(t, "accept", func() bool { return p.oldRun().conns.count(classHTTP1) == 2 })
	p.drain()
	p.end()
	for _, c := range []*client{used, silent} {
		c.send(get("/3"))
		if got, want := c.receive(want("/3")), "new"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// net/http's client takes a server for broken that closes a new connection before
// its first request.
func TestUnusedHTTP2ConnectionIsToldAfterItsFirstRequest(t *testing.T) {
	for _, scheme := range []string{"http", "https"} {
		t.Run(scheme, func(t *testing.T) {
			p := newPairOf(t, new(echo), h2c)
			tr := &http.Transport{Protocols: new(http.Protocols)}
			tr.Protocols.SetUnencryptedHTTP2(true)
			if scheme == "https" {
				p = newTLSPair(t, new(echo))
				tr = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
			}
			p.old.Linger = 10 * time.Second
			cc, err := tr.NewClientConn(t.Context(), scheme, p.addr)
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			poll(t, "HTTP/2", func() bool { return p.oldRun().conns.count(classHTTP2) == 1 })
			c := p.only()
			p.drain()
			poll(t, "the turn", func() bool {
				c.mu.Lock()
				defer c.mu.Unlock()
				return c.goAway != nil && c.goAway.telling.Load()
			})
			req, _ := http.NewRequest("GET", scheme+"://"+p.addr+"/1", nil)
			resp, err := cc.RoundTrip(req)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			if string(body) != want("/1") || err != nil || resp.ProtoMajor != 2 {
				t.Errorf("got %s %q, %v", resp.Proto, body, err)
			}
			p.end()
		})
	}
}

// HTTP/2 without TLS works, on a connection that was accepted and on one that
// was adopted, and is known as such.
func TestH2C(t *testing.T) {
	p := newPairOf(t, new(echo), h2c)
	adopted, ours := p.tcp()
	if err := p.new.Adopt(ours, nil); err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		server *Server
		conn   net.Conn
	}{"accepted": {p.old, p.dial().Conn}, "adopted": {p.new, adopted}} {
		tr := &http.Transport{
			Protocols:   new(http.Protocols),
			DialContext: func(context.Context, string, string) (net.Conn, error) { return tt.conn, nil },
		}
		tr.Protocols.SetUnencryptedHTTP2(true)
		resp, err := (&http.Client{Transport: tr}).Get("http://x/1")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		body, err := io.ReadAll(resp.Body)
		http2 := tt.server.run.Load().conns.count(classHTTP2) > 0
		if string(body) != want("/1") || err != nil || resp.ProtoMajor != 2 || !http2 {
			t.Errorf("%s: got %s %q, %v, known as HTTP/2: %v", name, resp.Proto, body, err, http2)
		}
		tr.CloseIdleConnections()
	}
}
