package tlsrec

import (
	"bytes"
	"crypto/tls"
	"io"
	"testing"
)

// FuzzRead gives the record layer what a client could send: a record of any type
// and content, one after it, and then anything; cut off somewhere.
func FuzzRead(f *testing.F) {
	f.Add(byte(0), byte(TypeData), []byte("hello"), []byte{}, uint16(0))
	f.Add(byte(0), byte(TypeHandshake), []byte{keyUpdate, 0, 0, 1, 1}, []byte{23, 3, 3, 0, 5}, uint16(0))
	f.Add(byte(1), byte(TypeAlert), []byte{1, 0}, []byte{}, uint16(9))
	f.Add(byte(2), byte(TypeHandshake), []byte{keyUpdate, 0}, []byte{0, 1, 0}, uint16(3))
	ids := []uint16{
		tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256,
		tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	const tls13 = 3 // so many of them
	f.Fuzz(func(t *testing.T, which, typ byte, plain, rest []byte, cut uint16) {
		state, p := newPeer(t, ids[int(which)%len(ids)])
		m := new(memory)
		if len(plain) <= maxPlain {
			m.in = p.out.Seal(m.in, Type(typ), plain)
			m.in = p.out.Seal(m.in, TypeData, []byte("after"))
		}
		m.in = append(m.in, rest...)
		m.in = m.in[:max(0, len(m.in)-int(cut))]
		c, err := New(m, state)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		if which %= byte(len(ids)); which < tls13 && typ == 0 {
			// The last byte that is not 0 is the type (RFC 8446, 5.4): what was sent
			// is a record of another type, with padding.
			if inner := bytes.TrimRight(plain, "\x00"); len(inner) > 0 {
				plain, typ = inner[:len(inner)-1], inner[len(inner)-1]
			}
		}
		sent := append(bytes.Clone(plain), "after"...)
		if !bytes.HasPrefix(sent, got) && !bytes.Equal(got, []byte("after")) {
			t.Fatalf("got %q, which nobody has sent", got)
		}
		whole := Type(typ) == TypeData && len(plain) > 0 && len(plain) <= maxPlain && cut == 0
		if whole && !bytes.Equal(got, sent) {
			t.Fatalf("got %q, %v; want %q", got, err, sent)
		}
		if _, again := c.Read(make([]byte, 1)); err != nil && again == nil {
			t.Fatal("an error is forgotten")
		}
		c.Close()
	})
}
