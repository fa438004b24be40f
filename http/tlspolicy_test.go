package restarthttp

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// What the successor would not agree to in a handshake stays with the old process.
func TestTLSPolicyOfTheSuccessor(t *testing.T) {
	clientCert := newCert("client")
	pool := x509.NewCertPool()
	pool.AddCert(clientCert.Leaf)
	verifies := &tls.Config{ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool}
	for name, tt := range map[string]struct {
		old, new *tls.Config
		certs    []tls.Certificate
		by       string
	}{
		"the same":                  {nil, nil, nil, "new"},
		"TLS 1.3 only":              {nil, &tls.Config{MinVersion: tls.VersionTLS13}, nil, "old"},
		"another suite":             {nil, &tls.Config{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256}}, nil, "old"},
		"client certificates":       {nil, &tls.Config{ClientAuth: tls.RequireAnyClientCert}, nil, "old"},
		"VerifyConnection":          {nil, &tls.Config{VerifyConnection: func(tls.ConnectionState) error { return errors.New("no") }}, nil, "old"},
		"a client that is trusted":  {verifies, verifies, []tls.Certificate{clientCert}, "new"},
		"a client no longer so":     {verifies, &tls.Config{ClientAuth: verifies.ClientAuth, ClientCAs: x509.NewCertPool()}, []tls.Certificate{clientCert}, "old"},
		"a client not asked for":    {verifies, nil, []tls.Certificate{clientCert}, "old"},
		"a certificate that is old": {verifies, &tls.Config{ClientAuth: verifies.ClientAuth, ClientCAs: pool, Time: func() time.Time { return time.Now().Add(24 * time.Hour) }}, []tls.Certificate{clientCert}, "old"},
	} {
		t.Run(name, func(t *testing.T) {
			var peers atomic.Int64
			e := new(echo)
			p := newTLSPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				peers.Store(int64(len(r.TLS.PeerCertificates)))
				e.ServeHTTP(w, r)
			}), tt.old, tt.new)
			p.old.Linger = 10 * time.Second
			tried := make(chan struct{}, 1)
			send := p.oldRun().successor(nil)
			p.sendBy(func(c net.Conn, state []byte) error {
				err := send.Send(c, state)
				tried <- struct{}{}
				return err
			})
			config := tlsVariants[2].config.Clone()
			config.Certificates = tt.certs
			c := p.dialTLS(config)
			c.send(get("/1"))
			c.receive(want("/1"))
			p.waitIdle()
			p.drain()
			<-tried
			c.send(get("/2"))
			if got := c.receive(want("/2")); got != tt.by {
				t.Errorf("got %q, want %q", got, tt.by)
			}
			p.end()
			if got := peers.Load(); got != int64(len(tt.certs)) {
				t.Errorf("the handler saw %d certificates, want %d", got, len(tt.certs))
			}
		})
	}
}
