package tlsrec

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
)

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
