package tlsrec

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/tls"
	"encoding/binary"
	"fmt"
)

// First returns both directions of a connection of TLS 1.2 at their beginning.
// master is its master secret; the randoms are those of the two Hellos
// (RFC 5246, 6.3).
func (s *Suite) First(master, clientRandom, serverRandom []byte) (in, out Half, err error) {
	if s.Version != tls.VersionTLS12 {
		return in, out, fmt.Errorf("tlsrec: %s has no master secret", tls.VersionName(s.Version))
	}
	seed := append(append([]byte("key expansion"), serverRandom...), clientRandom...)
	b := s.prf(master, seed, 2*(s.keyLen+s.ivLen))
	next := func(n int) Secret {
		part := b[:n:n]
		b = b[n:]
		return part
	}
	in.Key, out.Key = next(s.keyLen), next(s.keyLen)
	in.IV, out.IV = next(s.ivLen), next(s.ivLen)
	return in, out, nil
}

// prf is P_hash of TLS 1.2 (RFC 5246, 5). seed begins with the label.
func (s *Suite) prf(secret, seed []byte, n int) []byte {
	mac := hmac.New(s.hash.New, secret)
	mac.Write(seed)
	a := mac.Sum(nil)
	var out []byte
	for len(out) < n {
		mac.Reset()
		mac.Write(a)
		mac.Write(seed)
		out = mac.Sum(out)
		mac.Reset()
		mac.Write(a)
		a = mac.Sum(nil)
	}
	return out[:n]
}

// expandLabel is HKDF-Expand-Label of TLS 1.3 with an empty context (RFC 8446,
// 7.1).
func (s *Suite) expandLabel(secret []byte, label string, n int) ([]byte, error) {
	label = "tls13 " + label
	info := binary.BigEndian.AppendUint16(nil, uint16(n))
	info = append(info, byte(len(label)))
	info = append(info, label...)
	info = append(info, 0)
	return hkdf.Expand(s.hash.New, secret, string(info), n)
}
