package tlsrec

import (
	"bytes"
	"crypto/tls"
	"testing"
)

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
