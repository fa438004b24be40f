package restarthttp

import (
	"bufio"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
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
