package restarthttp

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"example.com/restart"
)

var tlsVariants = []struct {
	name   string
	config *tls.Config
}{
	{"1.3", &tls.Config{}},
	{"1.2 AES-128-GCM", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}},
	{"1.2 AES-256-GCM", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}}},
	{"1.2 ChaCha20", &tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}}},
}

func forEachVariant(t *testing.T, f func(*testing.T, *tls.Config)) {
	for _, v := range tlsVariants {
		t.Run(v.name, func(t *testing.T) { f(t, v.config) })
	}
}

// The client goes on, handlers see the same TLS as before, and no secrets are
// left behind.
func TestTLSConnectionMoves(t *testing.T) {
	forEachVariant(t, func(t *testing.T, config *tls.Config) {
		var last atomic.Pointer[tls.ConnectionState]
		e := new(echo)
		p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			last.Store(r.TLS)
			e.ServeHTTP(w, r)
		}))
		c := p.dialTLS(config)
		c.send(get("/1"))
		c.receive(want("/1"))
		before := last.Load()
		p.drain()
		p.end()
		for i := range 3 {
			path := fmt.Sprint("/after", i)
			c.send(get(path))
			if got := c.receive(want(path)); got != "new" {
				t.Errorf("got %q, want new", got)
			}
		}
		after := last.Load()
		if after == nil || after.Version != before.Version || after.CipherSuite != before.CipherSuite ||
			after.ServerName != before.ServerName || after.NegotiatedProtocol != before.NegotiatedProtocol || !after.HandshakeComplete {
			t.Errorf("TLS: got %+v, want %+v", after, before)
		}
		if n := p.oldRun().mover.(tlsMover).log.Len(); n != 0 {
			t.Errorf("%d handshakes are still followed, want none", n)
		}
		p.wantMoves(1)
	})
}

// A handshake is over, and no request has come.
func TestTLSConnectionThatHasSentNothingMoves(t *testing.T) {
	forEachVariant(t, func(t *testing.T, config *tls.Config) {
		p := newTLSPair(t, new(echo))
		c := p.dialTLS(config)
		poll(t, "the handshake", func() bool {
			for _, c := range p.oldRun().conns.list() {
				quiet, err := c.tapped.tap.Quiet()
				return quiet && err == nil
			}
			return false
		})
		p.drain()
		p.end()
		c.send(get("/1"))
		if got := c.receive(want("/1")); got != "new" {
			t.Errorf("got %q, want new", got)
		}
	})
}

// Where the successor does not take it, the old process's record layer serves
// the connection on, announces and closes.
func TestRefusedTLSConnectionIsServedOn(t *testing.T) {
	forEachVariant(t, func(t *testing.T, config *tls.Config) {
		p := newTLSPair(t, new(echo))
		refused := make(chan struct{})
		p.sendBy(func(net.Conn, []byte) error { close(refused); return errors.New("no") })
		p.old.Linger = 10 * time.Second
		c := p.dialTLS(config)
		c.send(get("/1"))
		c.receive(want("/1"))
		p.waitIdle()
		p.drain()
		<-refused
		c.send(get("/2"))
		if got := c.receive(want("/2")); got != "old" {
			t.Errorf("got %q, want old", got)
		}
		if _, err := c.br.ReadByte(); err != io.EOF {
			t.Errorf("got %v, want close_notify", err)
		}
		p.end()
	})
}

// The successor has died and may have used the next record numbers: nothing more
// is sent, not even an alert.
func TestUncertainTLSConnectionIsClosedWithoutAByte(t *testing.T) {
	forEachVariant(t, func(t *testing.T, config *tls.Config) {
		p := newTLSPair(t, new(echo))
		sent := make(chan net.Conn, 1)
		p.sendBy(func(c net.Conn, _ []byte) error { sent <- c; return restart.ErrUncertain })
		wire := &counted{Conn: p.dial().Conn}
		c := p.secure(wire, config)
		c.send(get("/1"))
		c.receive(want("/1"))
		p.waitIdle()
		before := wire.read.Load()
		p.drain()
		p.end()
		(<-sent).Close() // as restart.Handover does; later here, so that an alert would be seen
		if _, err := c.br.ReadByte(); err == nil {
			t.Error("got a byte")
		}
		if n := wire.read.Load() - before; n != 0 {
			t.Errorf("%d bytes came", n)
		}
	})
}
