package restarthttp

import (
	"bufio"
	"bytes"
	"crypto/ecdh"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
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

func TestSelfCheckTLS(t *testing.T) {
	if !selfCheckTLS() {
		t.Fatal("crypto/tls does not behave as known")
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
		if p.moved() != 1 {
			t.Errorf("got %d moves, want 1", p.moved())
		}
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

// A counted connection counts what is read from it.
type counted struct {
	net.Conn
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// Whatever byte of a conversation the drain falls on, where a record ends there.
func TestTLSDrainAtEveryByte(t *testing.T) {
	for _, v := range tlsVariants[:2] {
		for _, conv := range conversations {
			t.Run(v.name+" "+conv.name, func(t *testing.T) {
				for at := range len(conv.sent) + 1 {
					for _, wait := range []string{"consumed", "not consumed", "drained first"} {
						splitOver(t, func(p *pair) *client { return p.dialTLS(v.config) }, newTLSPair, conv.sent, conv.want, conv.paths, at, wait)
						if t.Failed() {
							t.Fatalf("at byte %d of %q, %s", at, conv.sent, wait)
						}
					}
				}
			})
		}
	}
}

// A gated connection holds back what is written after a number of bytes.
type gated struct {
	net.Conn
	mu    sync.Mutex
	holds bool
	left  int
	held  []byte
}

func (g *gated) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.holds {
		return g.Conn.Write(b)
	}
	n := min(g.left, len(b))
	g.left -= n
	g.held = append(g.held, b[n:]...)
	if _, err := g.Conn.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (g *gated) hold(after int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds, g.left = true, after
}

func (g *gated) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = false
	g.Conn.Write(g.held)
}

// The drain falls on every byte of a record.
func TestTLSDrainAtEveryByteOfARecord(t *testing.T) {
	size := len(get("/x")) + 5 + 17
	for at := range size + 1 {
		e := new(echo)
		p := newTLSPair(t, e)
		g := &gated{Conn: p.dial().Conn}
		c := p.secure(g, tlsVariants[0].config)
		c.send(get("/first"))
		c.receive(want("/first"))
		p.waitIdle()
		g.hold(at)
		c.send(get("/x"))
		p.drain()
		p.draining()
		g.release()
		c.receive(want("/x"))
		c.send(get("/last"))
		c.receive(want("/last"))
		p.end()
		if got := e.times("/x"); got != 1 {
			t.Fatalf("at byte %d: answered %d times, want once", at, got)
		}
	}
}

// Up to three bytes of a next request may be in net/http's buffer. They move
// along.
func TestTLSLeftovers(t *testing.T) {
	const post = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for _, left := range []string{"", "G", "GE", "GET", "\r\n", "\r", "\n", "\r\n\r"} {
		t.Run(fmt.Sprintf("%q", left), func(t *testing.T) {
			p := newTLSPair(t, new(echo))
			c := p.dialTLS(tlsVariants[0].config)
			c.send(post + left)
			c.receive("POST /1 hello ")
			p.waitIdle()
			p.drain()
			p.end()
			rest := get("/2")
			if left != "" && left[0] == 'G' {
				rest = rest[len(left):]
			}
			c.send(rest)
			if got := c.receive(want("/2")); got != "new" {
				t.Errorf("got %q, want new", got)
			}
		})
	}
}

// Bodies of sizes around the limit of a record, before and after a move.
func TestTLSBodiesAroundAMove(t *testing.T) {
	forEachVariant(t, func(t *testing.T, config *tls.Config) {
		p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			b, _ := io.ReadAll(r.Body)
			w.Write(b)
		}))
		c := p.dialTLS(config)
		sizes := []int{0, 1, 3, 5, 100, 16383, 16384, 16385, 1 << 20}
		exchange := func(size int) {
			body := make([]byte, size)
			rand.Read(body)
			go fmt.Fprintf(c, "POST /x HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, body)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatalf("%d bytes: %v", size, err)
			}
			if got, err := io.ReadAll(resp.Body); err != nil || !bytes.Equal(got, body) {
				t.Fatalf("%d bytes: got %d bytes, %v", size, len(got), err)
			}
		}
		for _, size := range sizes {
			exchange(size)
		}
		p.waitIdle()
		p.drain()
		p.end()
		for _, size := range sizes {
			exchange(size)
		}
		if p.moved() != 1 {
			t.Errorf("got %d moves, want 1", p.moved())
		}
	})
}

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
			if tt.moves >= 0 && p.moved() != tt.moves {
				t.Errorf("got %d moves, want %d", p.moved(), tt.moves)
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
	if p.moved() != 0 {
		t.Errorf("got %d moves, want none", p.moved())
	}
}

// What the successor would not agree to in a handshake stays with the old process.
func TestTLSPolicyOfTheSuccessor(t *testing.T) {
	clientCert := newCert("client")
	pool := x509.NewCertPool()
	pool.AddCert(clientCert.Leaf)
	verifies := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	for name, tt := range map[string]struct {
		old, new *tls.Config
		certs    []tls.Certificate
		by       string
	}{
		"the same":                  {nil, nil, nil, "new"},
		"TLS 1.3 only":              {nil, &tls.Config{MinVersion: tls.VersionTLS13}, nil, "old"},
		"another suite":             {nil, &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, nil, "old"},
		"client certificates":       {nil, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, nil, "old"},
		"VerifyConnection":          {nil, &tls.Config{VerifyConnection: func(tls.ConnectionState) error { return errors.New("no") }}, nil, "old"},
		"a client that is trusted":  {verifies, verifies, []tls.Certificate{clientCert}, "new"},
		"a client no longer so":     {verifies, &tls.Config{ClientAuth: verifies.ClientAuth, ClientCAs: x509.NewCertPool()}, []tls.Certificate{clientCert}, "old"},
		"a client not asked for":    {verifies, nil, []tls.Certificate{clientCert}, "old"},
		"a certificate that is old": {verifies, &tls.Config{ClientAuth: verifies.ClientAuth, ClientCAs: pool, Time: func() time.Time { return time.Now().Add(24 * time.Hour) }}, []tls.Certificate{clientCert}, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			var peers atomic.Int64
			e := new(echo)
			p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				peers.Store(int64(len(r.TLS.PeerCertificates)))
				e.ServeHTTP(w, r)
			}), tt.old, tt.new)
			p.old.Linger = 10 * time.Second
			tried := make(chan struct{}, 1)
			send := p.oldRun().successor(nil)
			p.sendBy(func(c net.Conn, state []byte) error {
				err := send.Send(c, state)
				tried <- struct{}{}
				return err
			})
			config := tlsVariants[2].config.Clone()
			config.Certificates = tt.certs
			c := p.dialTLS(config)
			c.send(get("/1"))
			c.receive(want("/1"))
			p.waitIdle()
			p.drain()
			<-tried
			c.send(get("/2"))
			if got := c.receive(want("/2")); got != tt.by {
				t.Errorf("got %q, want %q", got, tt.by)
			}
			p.end()
			if got := peers.Load(); got != int64(len(tt.certs)) {
				t.Errorf("the handler saw %d certificates, want %d", got, len(tt.certs))
			}
		})
	}
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
	if p.moved() != 1 {
		t.Errorf("got %d moves, want that of HTTP/1 only", p.moved())
	}
}
