//go:build linux

package restarthttp

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// A library may have net/http write the header before it takes the connection.
func TestHeaderBeforeHijack(t *testing.T) { overEach(t, testHeaderBeforeHijack) }

func testHeaderBeforeHijack(t *testing.T, tr transport) {
	hijacked := make(chan struct{}, 2)
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		me := w.Header().Get("Served-By")
		Keep(r, nil)
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		w.Header().Set("X-Long", strings.Repeat("x", 10_000))
		w.WriteHeader(http.StatusSwitchingProtocols)
		c, brw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		hijacked <- struct{}{}
		defer c.Close()
		for {
			m, err := nextMessage(brw.Reader)
			if err != nil {
				return
			}
			brw.Write(text(me + " " + m))
			brw.Flush()
		}
	}))
	c := tr.dial(p)
	c.upgrade()
	<-hijacked // what comes before may be read by net/http
	c.send(masked(1, true, "a"))
	c.hears("old a")
	p.drain()
	p.end()
	c.send(masked(1, true, "b"))
	c.hears("new b")
	p.wantMoves(1)
}

// What the handler of a WebSocket with TLS gets does what a tls.Conn does.
func TestUnsealedConn(t *testing.T) {
	p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		cs := c.Conn.(interface{ ConnectionState() tls.ConnectionState }).ConnectionState()
		if cs.Version != r.TLS.Version || cs.ServerName != "example.com" {
			t.Errorf("got %+v", cs)
		}
		for _, set := range []func(time.Time) error{c.SetDeadline, c.SetReadDeadline} {
			set(time.Now().Add(-time.Second))
			if _, err := c.next(); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("read: got %v, want that the deadline has passed", err)
			}
			set(time.Time{})
		}
		c.SetWriteDeadline(time.Now().Add(20 * time.Second))
		if n, err := c.Conn.(io.ReaderFrom).ReadFrom(strings.NewReader(string(text("hello")))); n != 7 || err != nil {
			t.Errorf("ReadFrom: %d, %v", n, err)
		}
		if m, err := c.next(); m != "you" || err != nil {
			t.Errorf("got %q, %v", m, err)
		}
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Errorf("CloseWrite: %v", err)
		}
	}))
	c := p.dialTLS(&tls.Config{})
	c.upgrade()
	c.hears("hello")
	c.send(masked(1, true, "you"))
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want close_notify", err)
	}
}

// A program that has noted its tls.Conn before cannot write on it any more, but may
// close it.
func TestStaleTLSConn(t *testing.T) {
	var noted atomic.Pointer[tls.Conn]
	p := newPairBy(t, new(echoWS), func(_ string, s *Server) {
		s.HTTP.TLSConfig = &tls.Config{Certificates: []tls.Certificate{serverCert()}}
		s.TLS, s.MoveTLS = true, true
		s.HTTP.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
			if t, ok := c.(*tls.Conn); ok {
				noted.Store(t)
			}
			return ctx
		}
	})
	c := p.dialTLS(&tls.Config{})
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	if _, err := noted.Load().Write(text("from nowhere")); err == nil {
		t.Error("it could write")
	}
	if _, err := noted.Load().Read(make([]byte, 1)); err == nil {
		t.Error("it could read")
	}
	c.send(masked(1, true, "b"))
	c.hears("old b 2")
	noted.Load().Close()
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want close_notify", err)
	}
}
