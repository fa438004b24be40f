package tlsrec

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"testing"
)

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
