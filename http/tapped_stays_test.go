package restarthttp

import (
	"bufio"
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// Which connections move, by their handshake. All are answered afterwards.
func TestTLSHandshakes(t *testing.T) {
	v12 := uint16(tls.VersionTLS12)
	cbc := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	for name, tt := range map[string]struct {
		server *tls.Config
		client *tls.Config
		conns  int
		moves  int // negative: any
	}{
		"resumed 1.3": {nil, &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(8)}, 3, 3},
		"resumed 1.2": {nil, &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(8), MaxVersion: v12}, 3, 1},
		"retried":     {&tls.Config{CurvePreferences: []tls.CurveID{tls.CurveP384}}, &tls.Config{}, 1, 1},
		"same random": {nil, &tls.Config{Rand: zeros{}}, 8, -1},
		"no tickets":  {&tls.Config{SessionTicketsDisabled: true}, &tls.Config{}, 1, 1},
		"CBC":         {&tls.Config{CipherSuites: append(cbc, tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)}, &tls.Config{MaxVersion: v12, CipherSuites: cbc}, 1, 0},
		"TLS 1.1":     {&tls.Config{MinVersion: tls.VersionTLS10}, &tls.Config{MinVersion: tls.VersionTLS11, MaxVersion: tls.VersionTLS11}, 1, 0},
		"its own config": {&tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return &tls.Config{Certificates: []tls.Certificate{serverCert()}}, nil
		}}, &tls.Config{}, 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			p := newTLSPair(t, new(echo), tt.server)
			p.old.Linger = 10 * time.Second
			var clients []*client
			for i := range tt.conns {
				c := p.dialTLS(tt.client)
				clients = append(clients, c)
				path := fmt.Sprint("/", i)
				c.send(get(path))
				c.receive(want(path))
			}
			p.waitIdle()
			p.drain()
			if tt.moves >= 0 {
				poll(t, "the moves", func() bool { return p.moved() == tt.moves })
			}
			p.draining()
			for i, c := range clients {
				path := fmt.Sprint("/after/", i)
				c.send(get(path))
				c.receive(want(path))
			}
			p.end()
			if tt.moves >= 0 {
				p.wantMoves(tt.moves)
			}
		})
	}
}

// The drain begins when the client has sent nothing, or a part of its first
// message. The handshake goes on, and the request is answered.
func TestDrainBeginsBeforeTLSHandshake(t *testing.T) {
	for _, protocol := range []string{"http/1.1", "h2"} {
		for _, sent := range []int{0, 1, 100} {
			t.Run(fmt.Sprintf("%s after %d bytes", protocol, sent), func(t *testing.T) {
				p := newTLSPair(t, new(echo))
				p.old.Linger = 10 * time.Second
				wire := &gated{Conn: p.dial().Conn}
				wire.hold(sent)
				var dialed atomic.Bool
				tr := &http.Transport{ForceAttemptHTTP2: true, DialTLSContext: func(context.Context, string, string) (net.Conn, error) {
					config := &tls.Config{InsecureSkipVerify: true, NextProtos: []string{protocol}}
					if dialed.Swap(true) { // after GOAWAY
						return tls.Dial("tcp", p.newRun().listener.Addr().String(), config)
					}
					return tls.Client(wire, config), nil
				}}
				defer tr.CloseIdleConnections()
				ask := func() (by string, err error) {
					resp, err := (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Get("https://" + p.addr + "/")
					if err != nil {
						return "", err
					}
					defer resp.Body.Close()
					_, err = io.Copy(io.Discard, resp.Body)
					return resp.Header.Get("Served-By"), err
				}
				asked := make(chan error, 1)
				go func() { _, err := ask(); asked <- err }()
				poll(t, "the connection", func() bool { return p.oldRun().conns.count(classHTTP1) == 1 })
				c := p.only()
				poll(t, "the beginning to be read", func() bool { return sent == 0 || c.tapped.tap.Missing() > 0 })
				p.drain()
				poll(t, "the turn", func() bool {
					c.mu.Lock()
					defer c.mu.Unlock()
					return c.life.mode != modeServe
				})
				wire.release()
				if err := <-asked; err != nil {
					t.Fatal(err)
				}
				p.end()
				if protocol == "h2" {
					return // it does not move
				}
				p.wantMoves(1)
				if by, err := ask(); by != "new" || err != nil {
					t.Errorf("got %q, %v; want new", by, err)
				}
			})
		}
	}
}

// A client that sends nothing gets the linger time, and no more.
func TestSilentClientOfTLSDoesNotHoldUpDrain(t *testing.T) {
	p := newTLSPair(t, new(echo))
	p.ctx, p.hammer = context.WithCancel(context.Background())
	c := p.dial()
	poll(t, "the connection", func() bool { return p.oldRun().conns.count(classHTTP1) == 1 })
	p.drain()
	p.end()
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want io.EOF", err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// With Encrypted Client Hello the secrets go by a random value that cannot be
// seen.
func TestTLSWithEncryptedClientHelloStays(t *testing.T) {
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pub := key.PublicKey().Bytes()
	contents := append([]byte{7, 0, 0x20, 0, byte(len(pub))}, pub...)
	contents = append(contents, 0, 4, 0, 1, 0, 1, 0, byte(len("example.com")))
	contents = append(contents, "example.com\x00\x00"...)
	config := append([]byte{0xfe, 0x0d, 0, byte(len(contents))}, contents...)
	list := append([]byte{0, byte(len(config))}, config...)
	p := newTLSPair(t, new(echo), &tls.Config{EncryptedClientHelloKeys: []tls.EncryptedClientHelloKey{{Config: config, PrivateKey: key.Bytes()}}})
	p.old.Linger = 10 * time.Second
	roots := x509.NewCertPool()
	roots.AddCert(serverCert().Leaf)
	c := p.dial()
	tc := tls.Client(c.Conn, &tls.Config{EncryptedClientHelloConfigList: list, ServerName: "example.com", RootCAs: roots})
	if err := tc.Handshake(); err != nil || !tc.ConnectionState().ECHAccepted {
		t.Fatalf("no ECH: %v", err)
	}
	c.Conn, c.br = tc, bufio.NewReader(tc)
	c.send(get("/1"))
	c.receive(want("/1"))
	p.waitIdle()
	p.drain()
	p.draining()
	c.send(get("/2"))
	if got := c.receive(want("/2")); got != "old" {
		t.Errorf("got %q, want old", got)
	}
	p.end()
	p.wantMoves(0)
}

// HTTP/2 stays, also before its first request, and still works in the successor.
func TestHTTP2OverTLSStays(t *testing.T) {
	p := newTLSPair(t, new(echo))
	p.dialTLS(&tls.Config{NextProtos: []string{"h2"}}) // and sends nothing
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer tr.CloseIdleConnections()
	ask := func(addr string) {
		t.Helper()
		resp, err := (&http.Client{Transport: tr, Timeout: 20 * time.Second}).Get("https://" + addr + "/x")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.ProtoMajor != 2 {
			t.Errorf("got %s, want HTTP/2", resp.Proto)
		}
	}
	ask(p.addr)
	c := p.dialTLS(&tls.Config{})
	c.send(get("/1"))
	c.receive(want("/1"))
	p.drain()
	ask(p.newRun().listener.Addr().String())
	p.end()
	c.send(get("/2"))
	if got := c.receive(want("/2")); got != "new" {
		t.Errorf("got %q, want new", got)
	}
	ask(p.newRun().listener.Addr().String())
	p.wantMoves(1) // that of HTTP/1
}
