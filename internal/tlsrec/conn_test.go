package tlsrec

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

var errEnd = errors.New("nothing more was sent")

// suitesOf returns the suites of crypto/tls that must be supported.
func suitesOf(version uint16) (ids []uint16) {
	for id, s := range suites {
		if s.Version == version {
			ids = append(ids, id)
		}
	}
	return ids
}

// Every AEAD suite of crypto/tls is known, and no other.
func TestSuites(t *testing.T) {
	aead := func(name string) bool {
		return bytes.Contains([]byte(name), []byte("GCM")) || bytes.Contains([]byte(name), []byte("CHACHA20"))
	}
	for _, s := range append(tls.CipherSuites(), tls.InsecureCipherSuites()...) {
		got, err := SuiteByID(s.ID)
		if ok := err == nil; ok != aead(s.Name) {
			t.Errorf("%s: got %v", s.Name, err)
		}
		if got != nil && got.Version != s.SupportedVersions[0] {
			t.Errorf("%s: got %s, want %v", s.Name, tls.VersionName(got.Version), s.SupportedVersions)
		}
	}
}

// A client of crypto/tls notices nothing when the record layer takes over: with
// every suite of TLS 1.2 and that of TLS 1.3 which crypto/tls chooses, in both
// directions, with sizes around the limit of a record, over several moves. For
// the others of TLS 1.3 see TestOpenSSL in package http.
func TestClientOfCryptoTLS(t *testing.T) {
	for _, id := range append(suitesOf(tls.VersionTLS12), 0) {
		name := "TLS 1.3"
		if id != 0 {
			name = tls.CipherSuiteName(id)
		}
		t.Run(name, func(t *testing.T) {
			s := handshake(t, id)
			for range 3 {
				c := s.serve(t)
				for _, size := range []int{1, 2, 100, maxPlain - 1, maxPlain, maxPlain + 1, 5*maxPlain + 1} {
					echo(t, s.client, c, size)
				}
				socket, state, err := c.Detach()
				if err != nil {
					t.Fatal(err)
				}
				b, err := state.Encode()
				if err != nil {
					t.Fatal(err)
				}
				if s.state, err = Decode(b); err != nil {
					t.Fatal(err)
				}
				s.socket = socket
			}
			c := s.serve(t)
			go c.Close()
			if rest, err := io.ReadAll(s.client); len(rest) > 0 || err != nil {
				t.Errorf("at the end: got %q, %v; want close_notify", rest, err)
			}
		})
	}
}

// echo sends that many bytes to the server and back.
func echo(t *testing.T, client, server net.Conn, size int) {
	t.Helper()
	sent := bytes.Repeat([]byte("0123456789abcdef."), size/17+1)[:size]
	done := make(chan error, 1)
	go func() {
		b := make([]byte, size)
		_, err := io.ReadFull(server, b)
		if err == nil {
			_, err = server.Write(b)
		}
		done <- err
	}()
	if _, err := client.Write(sent); err != nil {
		t.Fatalf("%d bytes: client writes: %v", size, err)
	}
	got := make([]byte, size)
	if _, err := io.ReadFull(client, got); err != nil {
		t.Fatalf("%d bytes: client reads: %v", size, err)
	}
	if err := <-done; err != nil {
		t.Fatalf("%d bytes: server: %v", size, err)
	}
	if !bytes.Equal(got, sent) {
		t.Fatalf("%d bytes: the client got other ones", size)
	}
}

// What a client sends may be cut anywhere, also by a move.
func TestEveryByte(t *testing.T) {
	for id := range suites {
		t.Run(tls.CipherSuiteName(id), func(t *testing.T) {
			whole := 0
			for cut := 0; cut == 0 || cut < whole; cut++ {
				state, p := newPeer(t, id)
				b := p.out.Seal(nil, TypeData, []byte("hello, "))
				b = p.out.Seal(b, TypeData, []byte("world"))
				whole = len(b)
				m := &memory{in: b[:cut]}
				c, err := New(m, state)
				if err != nil {
					t.Fatal(err)
				}
				c.Conn = timingOut{m}
				got, err := io.ReadAll(c)
				if !errors.Is(err, os.ErrDeadlineExceeded) {
					t.Fatalf("cut at %d: got %v, want a time-out", cut, err)
				}
				_, s, err := c.Detach()
				if err != nil {
					t.Fatalf("cut at %d: %v", cut, err)
				}
				m.in = b[cut:]
				if c, err = New(m, s); err != nil {
					t.Fatal(err)
				}
				rest, _ := io.ReadAll(c)
				if got := string(got) + string(rest); got != "hello, world" {
					t.Fatalf("cut at %d: got %q", cut, got)
				}
			}
		})
	}
}

// A timingOut socket has a read deadline that comes when nothing is left.
type timingOut struct{ *memory }

func (m timingOut) Read(p []byte) (int, error) {
	n, err := m.memory.Read(p)
	if err != nil {
		err = os.ErrDeadlineExceeded
	}
	return n, err
}

// What was decrypted and not read moves along.
func TestUnreadPlaintextMoves(t *testing.T) {
	state, p := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	m := &memory{in: p.out.Seal(nil, TypeData, []byte("hello"))}
	c, err := New(m, state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 2)); err != nil {
		t.Fatal(err)
	}
	_, s, err := c.Detach()
	if err != nil {
		t.Fatal(err)
	}
	if c, err = New(m, s); err != nil {
		t.Fatal(err)
	}
	if got, _ := io.ReadAll(c); string(got) != "llo" {
		t.Errorf("got %q, want %q", got, "llo")
	}
}

// Once the state is taken out, not a byte is sent: it would be a second record of
// its number.
func TestDetachedConnIsSilent(t *testing.T) {
	state, p := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	m := &memory{in: p.out.Seal(nil, TypeData, []byte("hello"))}
	c, err := New(m, state)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Detach(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("Write: got no error")
	}
	if _, err := c.Read(make([]byte, 1)); err == nil {
		t.Error("Read: got no error")
	}
	c.CloseWrite()
	c.Close()
	if _, _, err := c.Detach(); err == nil {
		t.Error("Detach: got the same state twice")
	}
	if len(m.out) > 0 {
		t.Errorf("%d bytes were sent", len(m.out))
	}
}

// After close_notify nothing may follow, so the connection cannot move.
func TestClosedConnDoesNotDetach(t *testing.T) {
	state, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	c, err := New(new(memory), state)
	if err != nil {
		t.Fatal(err)
	}
	c.CloseWrite()
	if _, _, err := c.Detach(); err == nil {
		t.Error("got no error")
	}
	if _, err := c.Write([]byte("x")); err == nil {
		t.Error("Write: got no error")
	}
}

// KeyUpdate, asked for or not, before and after a move, in one piece or several.
func TestKeyUpdate(t *testing.T) {
	for _, id := range suitesOf(tls.VersionTLS13) {
		for _, asks := range []byte{0, 1} {
			for pieces := 1; pieces <= 5; pieces++ {
				t.Run(fmt.Sprint(tls.CipherSuiteName(id), " ", asks, " ", pieces), func(t *testing.T) {
					state, p := newPeer(t, id)
					m := new(memory)
					c, err := New(m, state)
					if err != nil {
						t.Fatal(err)
					}
					for round := range 3 {
						message := []byte{keyUpdate, 0, 0, 1, asks}
						for i := range pieces - 1 {
							m.in = p.out.Seal(m.in, TypeHandshake, message[i:i+1])
						}
						m.in = p.out.Seal(m.in, TypeHandshake, message[pieces-1:])
						if err := p.out.update(); err != nil {
							t.Fatal(err)
						}
						m.in = p.out.Seal(m.in, TypeData, []byte("ping"))
						got := make([]byte, 4)
						if _, err := io.ReadFull(c, got); err != nil || string(got) != "ping" {
							t.Fatalf("round %d: got %q, %v", round, got, err)
						}
						if _, err := c.Write([]byte("pong")); err != nil {
							t.Fatal(err)
						}
						if asks == 1 {
							p.want(t, m, TypeHandshake, []byte{keyUpdate, 0, 0, 1, 0})
							if err := p.in.update(); err != nil {
								t.Fatal(err)
							}
						}
						p.want(t, m, TypeData, []byte("pong"))
						if _, state, err = c.Detach(); err != nil {
							t.Fatal(err)
						}
						if c, err = New(m, state); err != nil {
							t.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// want takes the next record that the server has sent.
func (p *peer) want(t *testing.T, m *memory, wantType Type, want []byte) {
	t.Helper()
	if len(m.out) < HeaderLen {
		t.Fatalf("the server has sent %d bytes, want a record", len(m.out))
	}
	size := HeaderLen + int(binary.BigEndian.Uint16(m.out[3:]))
	plain, typ, err := p.in.openInPlace(m.out[:size])
	if err != nil || typ != wantType || !bytes.Equal(plain, want) {
		t.Fatalf("the server has sent type %d %q, %v; want type %d %q", typ, plain, err, wantType, want)
	}
	m.out = m.out[size:]
}

// A record with padding is data like any other (RFC 8446, 5.4).
func TestPadding(t *testing.T) {
	for _, padding := range []int{0, 1, 255, maxPlain - 5} {
		state, p := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
		inner := append([]byte("hello\x17"), make([]byte, padding)...)
		// Seal appends a type, which is the last byte of the padding.
		m := &memory{in: p.out.Seal(nil, 0, inner[:len(inner)-min(padding, 1)])}
		if padding == 0 {
			m.in = nil
			_, q := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
			m.in = q.out.Seal(nil, TypeData, []byte("hello"))
		}
		c, err := New(m, state)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(c); string(got) != "hello" || !errors.Is(err, errEnd) {
			t.Errorf("%d bytes of padding: got %q, %v; want hello", padding, got, err)
		}
	}
}

// What a client must not send is answered with the alert for it, and ends the
// connection.
func TestAlertsForTheClient(t *testing.T) {
	const v13, v12 = tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	seal := func(typ Type, plain ...byte) func(*peer) []byte {
		return func(p *peer) []byte { return p.out.Seal(nil, typ, plain) }
	}
	raw := func(b ...byte) func(*peer) []byte { return func(*peer) []byte { return b } }
	for name, tt := range map[string]struct {
		suite uint16
		sends func(*peer) []byte
		want  Alert
	}{
		"a forged record": {v13, func(p *peer) []byte {
			b := p.out.Seal(nil, TypeData, []byte("x"))
			b[len(b)-1] ^= 1
			return b
		}, BadRecordMAC},
		"a record that is too short":       {v12, raw(23, 3, 3, 0, 1, 0), BadRecordMAC},
		"another version":                  {v13, raw(23, 3, 1, 0, 1, 0), protocolVersion},
		"a long record, 1.3":               {v13, raw(23, 3, 3, 0x41, 1), recordOverflow},
		"a long record, 1.2":               {v12, raw(23, 3, 3, 0x48, 1), recordOverflow},
		"long plaintext, 1.3":              {v13, seal(TypeData, make([]byte, maxPlain+1)...), recordOverflow},
		"long plaintext, 1.2":              {v12, seal(TypeData, make([]byte, maxPlain+1)...), recordOverflow},
		"zeros only":                       {v13, seal(0, 0, 0), unexpectedMessage},
		"change_cipher_spec, 1.3":          {v13, raw(20, 3, 3, 0, 1, 1), unexpectedMessage},
		"change_cipher_spec, 1.2":          {v12, seal(TypeChangeCipherSpec, 1), unexpectedMessage},
		"an alert of three bytes":          {v13, seal(TypeAlert, 1, 0, 0), unexpectedMessage},
		"a handshake message":              {v13, seal(TypeHandshake, 1, 0, 0, 0), unexpectedMessage},
		"an empty handshake record":        {v13, seal(TypeHandshake), unexpectedMessage},
		"renegotiation":                    {v12, seal(TypeHandshake, 1, 0, 0, 0), unexpectedMessage},
		"a bad KeyUpdate":                  {v13, seal(TypeHandshake, keyUpdate, 0, 0, 1, 2), decodeError},
		"KeyUpdate and more in the record": {v13, seal(TypeHandshake, keyUpdate, 0, 0, 1, 0, keyUpdate), unexpectedMessage},
		"data within a message": {v13, func(p *peer) []byte {
			return p.out.Seal(p.out.Seal(nil, TypeHandshake, []byte{keyUpdate}), TypeData, []byte("x"))
		}, unexpectedMessage},
		"many empty records": {v13, func(p *peer) (b []byte) {
			for range maxUseless + 1 {
				b = p.out.Seal(b, TypeData, nil)
			}
			return b
		}, unexpectedMessage},
	} {
		t.Run(name, func(t *testing.T) {
			state, p := newPeer(t, tt.suite)
			m := &memory{in: tt.sends(p)}
			c, err := New(m, state)
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Read(make([]byte, 1))
			if a, ok := errors.AsType[Alert](err); !ok || a != tt.want {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if _, again := c.Read(make([]byte, 1)); again == nil {
				t.Error("the error was forgotten")
			}
			p.want(t, m, TypeAlert, []byte{levelFatal, byte(tt.want)})
		})
	}
}

// What the client says about the end, and what means nothing.
func TestAlertsFromTheClient(t *testing.T) {
	const v13, v12 = tls.TLS_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
	for name, tt := range map[string]struct {
		suite uint16
		alert []byte
		want  error
	}{
		"close_notify":      {v13, []byte{1, 0}, nil},
		"close_notify, 1.2": {v12, []byte{1, 0}, nil},
		"user_canceled":     {v13, []byte{1, 90}, errEnd},
		"a warning, 1.2":    {v12, []byte{1, 100}, errEnd},
		"an error":          {v13, []byte{2, 49}, tls.AlertError(49)},
		"an error, 1.2":     {v12, []byte{2, 49}, tls.AlertError(49)},
	} {
		t.Run(name, func(t *testing.T) {
			state, p := newPeer(t, tt.suite)
			m := &memory{in: p.out.Seal(nil, TypeAlert, tt.alert)}
			c, err := New(m, state)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadAll(c); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if len(m.out) > 0 {
				t.Errorf("%d bytes were answered", len(m.out))
			}
		})
	}
}

// A client that sends KeyUpdates without end is cut off.
func TestKeyUpdatesWithoutEnd(t *testing.T) {
	state, p := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	m := new(memory)
	for range maxUseless + 2 {
		m.in = p.out.Seal(m.in, TypeHandshake, []byte{keyUpdate, 0, 0, 1, 1})
		if err := p.out.update(); err != nil {
			t.Fatal(err)
		}
	}
	c, err := New(m, state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, unexpectedMessage) {
		t.Errorf("got %v, want %v", err, unexpectedMessage)
	}
}

// After an error of the socket nothing more is sent: the client may have got part
// of a record.
func TestNothingFollowsAFailedWrite(t *testing.T) {
	state, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	m := &half{memory: new(memory)}
	c, err := New(m, state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want the error of the socket", err)
	}
	sent := len(m.out)
	c.Write([]byte("again"))
	c.Close()
	if len(m.out) != sent {
		t.Errorf("%d bytes followed", len(m.out)-sent)
	}
}

// A half writes half of what it is given.
type half struct{ *memory }

func (h *half) Write(p []byte) (int, error) {
	n, _ := h.memory.Write(p[:len(p)/2])
	return n, os.ErrDeadlineExceeded
}

// Close does not wait for a Write to a client that does not read.
func TestCloseDuringWrite(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	state, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	c, err := New(server, state)
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { _, err := c.Write([]byte("hello")); wrote <- err }()
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil { // the Write has begun
		t.Fatal(err)
	}
	c.Close()
	select {
	case err := <-wrote:
		if err == nil {
			t.Error("got no error")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the Write does not return")
	}
}

// New refuses what does not fit together, and leaves the socket alone.
func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*State){
		"an unknown suite":       func(s *State) { s.Suite = tls.TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA },
		"a suite of TLS 1.2":     func(s *State) { s.Suite = tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 },
		"a short secret":         func(s *State) { s.In.Secret = s.In.Secret[1:] },
		"no secret":              func(s *State) { s.Out.Secret = nil },
		"a record number's end":  func(s *State) { s.Out.Seq = 1 << 63 },
		"a certificate of noise": func(s *State) { s.Description.Peer = [][]byte{{1}} },
	} {
		state, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
		change(state)
		if _, err := New(nil, state); err == nil { // nil would panic when used
			t.Errorf("%s: got no error", name)
		}
	}
}
