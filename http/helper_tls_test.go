package restarthttp

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net/http"
	"sync"
	"testing"
	"time"
)

var serverCert = sync.OnceValue(func() tls.Certificate { return newCert("server") })

// newCert makes a certificate for a server and for a client, signed by itself.
func newCert(name string) tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{"example.com"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

// newTLSPair is newPair over TLS. Both servers have the configuration, or the new
// one the second.
func newTLSPair(t *testing.T, handler http.Handler, configs ...*tls.Config) *pair {
	t.Helper()
	return newPairBy(t, handler, func(name string, s *Server) {
		config := new(tls.Config)
		if n := len(configs); n > 0 && name == "old" {
			config = configs[0]
		} else if n > 0 {
			config = configs[n-1]
		}
		s.HTTP.TLSConfig = config.Clone()
		if s.HTTP.TLSConfig == nil {
			s.HTTP.TLSConfig = new(tls.Config)
		}
		s.HTTP.TLSConfig.Certificates = []tls.Certificate{serverCert()}
		s.TLS, s.MoveTLS, s.Linger = true, true, 200*time.Millisecond
	})
}

// A transport is what a test of HTTP runs over.
type transport struct {
	name   string
	client *tls.Config // nil: no TLS
}

var transports = []transport{
	{"plain", nil},
	{"TLS 1.3", &tls.Config{}},
	{"TLS 1.2", &tls.Config{MaxVersion: tls.VersionTLS12}},
}

// overEach runs f over each transport.
func overEach(t *testing.T, f func(*testing.T, transport)) {
	for _, tr := range transports {
		t.Run(tr.name, func(t *testing.T) { f(t, tr) })
	}
}

// pair is newPair over the transport.
func (tr transport) pair(t *testing.T, handler http.Handler) *pair {
	t.Helper()
	if tr.client == nil {
		return newPair(t, handler)
	}
	return newTLSPair(t, handler)
}

// dial connects to the old server.
func (tr transport) dial(p *pair) *client {
	p.t.Helper()
	if tr.client == nil {
		return p.dial()
	}
	return p.dialTLS(tr.client)
}
