package tlstap

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"sync"
	"testing"
	"time"

	"example.com/restart/internal/tlskeylog"
	"example.com/restart/internal/tlsrec"
)

// A followed socket tells a Tap what is read and written. Once cut off, what is
// written is kept instead.
type followed struct {
	net.Conn
	tap *Tap

	mu   sync.Mutex
	cut  bool
	kept []byte
}

func (f *followed) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	f.tap.In(p[:n])
	return n, err
}

func (f *followed) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.cut {
		f.kept = append(f.kept, p...)
		return len(p), nil
	}
	n, err := f.Conn.Write(p)
	f.tap.Out(p[:n])
	return n, err
}

func (f *followed) Close() error                     { return nil }
func (f *followed) SetWriteDeadline(time.Time) error { return nil }

var certificate = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

// A session is a client of crypto/tls and a server of crypto/tls that is
// followed.
type session struct {
	client, server *tls.Conn
	socket         *followed
	log            tlskeylog.Log
}

func handshake(t *testing.T, config *tls.Config) *session {
	t.Helper()
	x, y := pair(t)
	s := new(session)
	s.socket = &followed{Conn: y, tap: New(&s.log)}
	config = config.Clone()
	config.Certificates, config.InsecureSkipVerify = []tls.Certificate{certificate()}, true
	s.client = tls.Client(x, config)
	server := config.Clone()
	s.log.Install(server)
	s.server = tls.Server(s.socket, server)
	done := make(chan error, 1)
	go func() { done <- s.client.Handshake() }()
	if err := s.server.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return s
}

// pair returns both ends of a connection over TCP, which takes what nobody reads.
func pair(t *testing.T) (client, server net.Conn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close(); server.Close() })
	bound := time.Now().Add(20 * time.Second)
	client.SetDeadline(bound)
	server.SetDeadline(bound)
	return client, server
}

// exchange sends a request and its answer of those sizes.
func exchange(t *testing.T, client, server io.ReadWriter, ask, answer int) {
	t.Helper()
	for _, way := range []struct {
		from, to io.ReadWriter
		n        int
	}{{client, server, ask}, {server, client, answer}} {
		done := make(chan error, 1)
		go func() { _, err := way.from.Write(make([]byte, way.n)); done <- err }()
		if _, err := io.ReadFull(way.to, make([]byte, way.n)); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}

// take takes the connection from crypto/tls, as package http does.
func (s *session) take(t *testing.T) *tlsrec.Conn {
	t.Helper()
	f, err := s.socket.tap.Forge([]byte("probe"))
	if err != nil {
		t.Fatal(err)
	}
	s.socket.cut = true
	s.socket.Conn.SetReadDeadline(time.Unix(1, 0))
	s.server.Close()
	state, err := s.socket.tap.Export(&f.Proof, s.socket.kept, 0)
	if err != nil {
		t.Fatal(err)
	}
	s.socket.Conn.SetReadDeadline(time.Now().Add(20 * time.Second))
	c, err := tlsrec.New(s.socket.Conn, state)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var configs = map[string]*tls.Config{
	"1.3":                     {},
	"1.3, retried":            {CurvePreferences: []tls.CurveID{tls.CurveP521}},
	"1.3, client certificate": {ClientAuth: tls.RequireAnyClientCert},
	"1.2 AES":                 {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}},
	"1.2 ChaCha20":            {MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
}

// After exchanges of any size the state is exactly that of crypto/tls: the client
// goes on with the record layer that gets it.
func TestStateIsThatOfCryptoTLS(t *testing.T) {
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			s := handshake(t, config)
			for _, size := range []int{1, 100, 16384, 16385, 100_000} {
				exchange(t, s.client, s.server, size, size)
				s.socket.tap.Mark()
			}
			c := s.take(t)
			for _, size := range []int{1, 16385, 100_000} {
				exchange(t, s.client, c, size, size)
			}
			if s.log.Len() != 0 {
				t.Errorf("%d handshakes are still followed", s.log.Len())
			}
		})
	}
}

// Quiet follows the connection from the handshake to a request.
func TestQuiet(t *testing.T) {
	for name, config := range configs {
		t.Run(name, func(t *testing.T) {
			s := handshake(t, config)
			tap := s.socket.tap
			quiet := func(when string, want bool) {
				t.Helper()
				if got, err := tap.Quiet(); got != want || err != nil {
					t.Errorf("%s: got %v, %v; want %v", when, got, err, want)
				}
			}
			send := func(b string) {
				t.Helper()
				if _, err := io.WriteString(s.client, b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(s.server, make([]byte, len(b))); err != nil {
					t.Fatal(err)
				}
			}
			quiet("after the handshake", true)
			send("GET")
			quiet("first bytes", false)
			tap.Mark()
			quiet("answered", true)
			send("\r\n")
			quiet("an empty line", true)
			send("GET")
			quiet("first bytes of the next request", false)
			tap.Drop()
			if _, err := tap.Quiet(); !errors.Is(err, ErrDropped) {
				t.Errorf("dropped: got %v", err)
			}
		})
	}
}

// What cannot be proved is not claimed.
func TestForgeRefuses(t *testing.T) {
	t.Run("before the handshake", func(t *testing.T) {
		if _, err := New(new(tlskeylog.Log)).Forge(nil); !errors.Is(err, ErrNoSecrets) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("part of a record", func(t *testing.T) {
		s := handshake(t, configs["1.3"])
		exchange(t, s.client, s.server, 1, 1)
		s.socket.tap.In([]byte{23, 3, 3})
		if _, err := s.socket.tap.Forge(nil); !errors.Is(err, ErrUnderway) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("a record of other keys", func(t *testing.T) { // as after a KeyUpdate
		for _, name := range []string{"1.3", "1.2 AES"} {
			s := handshake(t, configs[name])
			exchange(t, s.client, s.server, 1, 1)
			s.socket.tap.In(append([]byte{23, 3, 3, 0, 40}, make([]byte, 40)...))
			if _, err := s.socket.tap.Forge(nil); !errors.Is(err, ErrUnproved) {
				t.Errorf("%s: got %v", name, err)
			}
		}
	})
	t.Run("an answer as long as a KeyUpdate, of other keys", func(t *testing.T) {
		s := handshake(t, configs["1.3"])
		exchange(t, s.client, s.server, 1, 1)
		s.socket.tap.Out(append([]byte{23, 3, 3, 0, 22}, make([]byte, 22)...))
		if _, err := s.socket.tap.Forge(nil); !errors.Is(err, ErrUnproved) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("close_notify of the client", func(t *testing.T) {
		s := handshake(t, configs["1.3"])
		exchange(t, s.client, s.server, 1, 1)
		s.client.CloseWrite()
		if _, err := s.server.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		if _, err := s.socket.tap.Forge(nil); !errors.Is(err, ErrNotData) {
			t.Errorf("got %v", err)
		}
	})
}

// Export takes nothing for close_notify that is not.
func TestExportRefuses(t *testing.T) {
	s := handshake(t, configs["1.3"])
	exchange(t, s.client, s.server, 1, 1)
	f, err := s.socket.tap.Forge(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string][]byte{
		"nothing":         nil,
		"half a record":   {23, 3, 3, 0, 19, 1},
		"of another key":  append([]byte{23, 3, 3, 0, 19}, make([]byte, 19)...),
		"the probe again": f.Record,
	} {
		if _, err := s.socket.tap.Export(&f.Proof, b, 0); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

// Secrets of another connection, whose client has said the same random value, open
// nothing.
func TestSecretsOfAnother(t *testing.T) {
	s := handshake(t, configs["1.3"])
	exchange(t, s.client, s.server, 1, 1)
	other := make([]byte, 32)
	s.socket.tap.Learn(tlskeylog.ClientTraffic, other)
	s.socket.tap.Learn(tlskeylog.ServerTraffic, other)
	if _, err := s.socket.tap.Forge(nil); !errors.Is(err, ErrUnproved) {
		t.Errorf("got %v", err)
	}
}

// FuzzScanner compares the scanner, which sees the bytes in pieces, with one that
// sees them all.
func FuzzScanner(f *testing.F) {
	f.Add([]byte{23, 3, 3, 0, 1, 9, 20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 0, 22}, byte(3))
	f.Fuzz(func(t *testing.T, b []byte, step byte) {
		tap := New(new(tlskeylog.Log))
		for at := 0; at < len(b); {
			n := min(len(b)-at, int(step)%7+1)
			tap.In(b[at : at+n])
			at += n
		}
		var want scanner
		newest, whole := 0, true
		for at := 0; at < len(b); {
			newest = at
			if whole = at+5 <= len(b) && at+5+int(b[at+3])<<8+int(b[at+4]) <= len(b); !whole {
				break
			}
			switch tlsrec.Type(b[at]) {
			case tlsrec.TypeChangeCipherSpec:
				want.since, want.changed = 0, true
			case tlsrec.TypeData:
				want.data++
				want.since++
			default:
				want.since++
			}
			at += 5 + int(b[at+3])<<8 + int(b[at+4])
		}
		got := tap.in
		if got.data != want.data || got.since != want.since || got.changed != want.changed || got.whole() != whole {
			t.Fatalf("got %+v, want %+v, whole %v", got, want, whole)
		}
		if string(tap.newest) != string(b[newest:]) {
			t.Fatalf("newest: got %x, want %x", tap.newest, b[newest:])
		}
	})
}

// FuzzHellos: a connection can begin with anything.
func FuzzHellos(f *testing.F) {
	f.Add([]byte{22, 3, 1, 0, 5, 1, 0, 0, 1, 0}, []byte{22, 3, 3, 0, 5, 2})
	f.Fuzz(func(t *testing.T, in, out []byte) {
		tap := New(new(tlskeylog.Log))
		tap.In(in)
		tap.Out(out)
		tap.Learn(tlskeylog.Master, make([]byte, 48))
		if _, err := tap.Forge(nil); err == nil {
			t.Fatal("a proof of noise")
		}
		tap.Quiet()
		tap.Drop()
	})
}

// Missing says how far a read may go that is to end with a record.
func TestMissing(t *testing.T) {
	record := append([]byte{23, 3, 3, 1, 2}, make([]byte, 0x102)...)
	left := append(record, record...)
	tap := New(new(tlskeylog.Log))
	for _, step := range []struct{ read, want int }{{0, 0}, {1, 4}, {2, 2}, {2, 0x102}, {0x101, 1}, {1, 0}, {5, 0x102}} {
		tap.In(left[:step.read])
		left = left[step.read:]
		if got := tap.Missing(); got != step.want {
			t.Errorf("after %d bytes more: got %d, want %d", step.read, got, step.want)
		}
	}
}
