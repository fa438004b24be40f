// Package tlsrec speaks the record layer of TLS for a server whose handshake
// crypto/tls has done, in this process or another: all that it needs is a State,
// which has the secrets and the numbers of the next records. It knows the suites
// of TLS 1.3 (RFC 8446) and those of TLS 1.2 that are AEADs (RFC 5288, RFC 5289,
// RFC 7905).
//
// Under one key, no record number may ever be used twice: with AES-GCM that
// gives away the key for authentication. A State may therefore be used once. Who
// has sent one away and does not know what became of it may send nothing more.
package tlsrec

import (
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	_ "crypto/sha256" // for crypto.SHA256
	_ "crypto/sha512" // for crypto.SHA384
	"crypto/tls"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// A Suite is a cipher suite whose records this package can read and write.
type Suite struct {
	ID      uint16
	Version uint16 // of TLS, the only one that has this suite

	hash   crypto.Hash
	aead   func(key []byte) (cipher.AEAD, error)
	keyLen int
	ivLen  int // the part of the nonce that is a secret
}

// SuiteByID returns the suite with this number (those of crypto/tls), and an
// error if its connections cannot move.
func SuiteByID(id uint16) (*Suite, error) {
	s := suites[id]
	if s == nil {
		return nil, fmt.Errorf("tlsrec: cipher suite %s is not supported", tls.CipherSuiteName(id))
	}
	return s, nil
}

var suites = suitesByID(
	&Suite{tls.TLS_AES_128_GCM_SHA256, tls.VersionTLS13, crypto.SHA256, aesGCM, 16, 12},
	&Suite{tls.TLS_AES_256_GCM_SHA384, tls.VersionTLS13, crypto.SHA384, aesGCM, 32, 12},
	&Suite{tls.TLS_CHACHA20_POLY1305_SHA256, tls.VersionTLS13, crypto.SHA256, chacha20poly1305.New, 32, 12},

	&Suite{tls.TLS_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, crypto.SHA256, aesGCM, 16, 4},
	&Suite{tls.TLS_RSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, crypto.SHA384, aesGCM, 32, 4},
	&Suite{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, crypto.SHA256, aesGCM, 16, 4},
	&Suite{tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, crypto.SHA384, aesGCM, 32, 4},
	&Suite{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.VersionTLS12, crypto.SHA256, aesGCM, 16, 4},
	&Suite{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.VersionTLS12, crypto.SHA384, aesGCM, 32, 4},
	&Suite{tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, crypto.SHA256, chacha20poly1305.New, 32, 12},
	&Suite{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.VersionTLS12, crypto.SHA256, chacha20poly1305.New, 32, 12},
)

func suitesByID(all ...*Suite) map[uint16]*Suite {
	m := make(map[uint16]*Suite)
	for _, s := range all {
		m[s.ID] = s
	}
	return m
}

func aesGCM(key []byte) (cipher.AEAD, error) {
	b, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(b)
}

// HashLen is the length of the suite's hash in bytes, and so that of a traffic
// secret and of the verify_data of a Finished in TLS 1.3.
func (s *Suite) HashLen() int { return s.hash.Size() }

// explicitLen is the part of the nonce that is in each record.
func (s *Suite) explicitLen() int { return nonceLen - s.ivLen }
