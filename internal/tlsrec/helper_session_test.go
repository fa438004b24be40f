package tlsrec

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A session is a connection whose handshake crypto/tls has done at both ends.
// The client goes on; who serves is the test's choice.
type session struct {
	client *tls.Conn
	socket net.Conn // the server's
	state  *State
}

// handshake makes a session in TLS 1.2 with the suite, or in TLS 1.3 with the one
// that crypto/tls chooses if the suite is zero.
func handshake(t *testing.T, suite uint16) *session {
	t.Helper()
	client, server := net.Pipe()
	t.Cleanup(func() { client.Close(); server.Close() })
	bound := time.Now().Add(20 * time.Second)
	client.SetDeadline(bound)
	server.SetDeadline(bound)
	sent := &recorded{Conn: server}
	var keyLog strings.Builder
	config := &tls.Config{
		Certificates:           certificates(t),
		SessionTicketsDisabled: true, // tickets have record numbers
		KeyLogWriter:           &keyLog,
		MinVersion:             tls.VersionTLS13,
	}
	if suite != 0 {
		config.MinVersion, config.MaxVersion, config.CipherSuites = 0, tls.VersionTLS12, []uint16{suite}
	}
	s := &session{client: tls.Client(client, &tls.Config{InsecureSkipVerify: true, CipherSuites: config.CipherSuites, ServerName: "example.com"}), socket: server}
	done := make(chan error, 1)
	go func() { done <- s.client.Handshake() }()
	c := tls.Server(sent, config)
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	s.state = stateOf(t, c.ConnectionState(), keyLog.String(), sent.b)
	return s
}

// stateOf puts together the state of a connection whose handshake is just over.
// sent begins with the ServerHello.
func stateOf(t *testing.T, cs tls.ConnectionState, keyLog string, sent []byte) *State {
	t.Helper()
	s := &State{Version: cs.Version, Suite: cs.CipherSuite, Description: Describe(cs)}
	for line := range strings.Lines(keyLog) {
		field := strings.Fields(line)
		random, _ := hex.DecodeString(field[1])
		secret, _ := hex.DecodeString(field[2])
		switch field[0] {
		case "CLIENT_TRAFFIC_SECRET_0":
			s.In.Secret = secret
		case "SERVER_TRAFFIC_SECRET_0":
			s.Out.Secret = secret
		case "CLIENT_RANDOM":
			suite, err := SuiteByID(s.Suite)
			if err != nil {
				t.Fatal(err)
			}
			if s.In, s.Out, err = suite.First(secret, random, sent[11:43]); err != nil {
				t.Fatal(err)
			}
			s.In.Seq, s.Out.Seq = 1, 1 // both have sent Finished
		}
	}
	return s
}

// serve goes on with s.
func (s *session) serve(t *testing.T) *Conn {
	t.Helper()
	c, err := New(s.socket, s.state)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A recorded keeps what is written.
type recorded struct {
	net.Conn
	b []byte
}

func (r *recorded) Write(b []byte) (int, error) { r.b = append(r.b, b...); return r.Conn.Write(b) }

var keys = sync.OnceValues(func() (*ecdsa.PrivateKey, *rsa.PrivateKey) {
	e, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return e, r
})

// certificates returns one for ECDSA and one for RSA: suites of TLS 1.2 need
// theirs.
func certificates(t *testing.T) []tls.Certificate {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), DNSNames: []string{"example.com"}}
	e, r := keys()
	ecdsaCert, err := x509.CreateCertificate(rand.Reader, template, template, &e.PublicKey, e)
	if err != nil {
		t.Fatal(err)
	}
	rsaCert, err := x509.CreateCertificate(rand.Reader, template, template, &r.PublicKey, r)
	if err != nil {
		t.Fatal(err)
	}
	return []tls.Certificate{
		{Certificate: [][]byte{ecdsaCert}, PrivateKey: e},
		{Certificate: [][]byte{rsaCert}, PrivateKey: r},
	}
}

// A peer is a client that the test plays itself: it can send what crypto/tls
// would not.
type peer struct {
	in  *Cipher // what it reads
	out sealer  // what it writes
}

// A sealer is a Cipher whose Seal does not fail.
type sealer struct{ *Cipher }

func (s sealer) Seal(b []byte, t Type, plain []byte) []byte {
	b, err := s.Cipher.Seal(b, t, plain)
	if err != nil {
		panic(err)
	}
	return b
}

// newPeer returns the state of a server and its client, with secrets that are
// made up.
func newPeer(t testing.TB, id uint16) (*State, *peer) {
	t.Helper()
	s, err := SuiteByID(id)
	if err != nil {
		t.Fatal(err)
	}
	half := func(fill byte) Half {
		if s.Version == tls.VersionTLS13 {
			return Half{Secret: bytes.Repeat([]byte{fill}, s.HashLen())}
		}
		return Half{Key: bytes.Repeat([]byte{fill}, s.keyLen), IV: bytes.Repeat([]byte{fill + 2}, s.ivLen)}
	}
	state := &State{Version: s.Version, Suite: id, In: half(1), Out: half(2)}
	p := new(peer)
	if p.out.Cipher, err = NewCipher(s, state.In); err != nil {
		t.Fatal(err)
	}
	if p.in, err = NewCipher(s, state.Out); err != nil {
		t.Fatal(err)
	}
	return state, p
}

// A memory is a socket from which in is read; what is written is in out.
type memory struct {
	net.Conn
	in  []byte
	out []byte
}

func (m *memory) Read(p []byte) (int, error) {
	if len(m.in) == 0 {
		return 0, errEnd
	}
	n := copy(p, m.in)
	m.in = m.in[n:]
	return n, nil
}

func (m *memory) Write(p []byte) (int, error)      { m.out = append(m.out, p...); return len(p), nil }
func (m *memory) Close() error                     { return nil }
func (m *memory) SetWriteDeadline(time.Time) error { return nil }

var errEnd = errors.New("nothing more was sent")
