package restarthttp

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"net"
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
	p := &pair{t: t, drained: make(chan error, 1)}
	serve := func(name string, config *tls.Config) *Server {
		if config == nil {
			config = new(tls.Config)
		}
		config = config.Clone()
		config.Certificates = []tls.Certificate{serverCert()}
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := Wrap(&http.Server{TLSConfig: config, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Served-By", name)
			handler.ServeHTTP(w, r)
		})})
		s.TLS, s.MoveTLS, s.Linger = true, true, 200*time.Millisecond
		go s.Serve(ln)
		poll(t, "the server to serve", func() bool { r := s.run.Load(); return r != nil && r.listener.accepts.Load() })
		return s
	}
	if len(configs) == 0 {
		configs = []*tls.Config{nil}
	}
	p.old, p.new = serve("old", configs[0]), serve("new", configs[len(configs)-1])
	p.addr = p.oldRun().listener.Addr().String()
	p.sendBy(func(c net.Conn, state []byte) error {
		c.SetDeadline(time.Time{})
		if err := p.new.Adopt(c, state); err != nil {
			return err
		}
		p.mu.Lock()
		p.moves++
		p.mu.Unlock()
		return nil
	})
	p.ctx, p.hammer = context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(func() {
		p.hammer()
		p.old.Close()
		p.new.Close()
		for _, r := range []*run{p.oldRun(), p.newRun()} {
			r.parked.serving.Wait()
			r.parked.waits.Wait()
		}
	})
	return p
}

// sendBy makes send the way to the new server.
func (p *pair) sendBy(send sendFunc) {
	p.oldRun().successor = func(context.Context) sender { return send }
}

// dialTLS is dial over TLS.
func (p *pair) dialTLS(config *tls.Config) *client {
	p.t.Helper()
	return p.secure(p.dial().Conn, config)
}

func (p *pair) secure(c net.Conn, config *tls.Config) *client {
	p.t.Helper()
	config = config.Clone()
	config.InsecureSkipVerify, config.ServerName = true, "example.com"
	tc := tls.Client(c, config)
	if err := tc.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return &client{t: p.t, Conn: tc, br: bufio.NewReader(tc)}
}

// waitIdle waits until every connection of the old server waits for a next
// request.
func (p *pair) waitIdle() {
	p.t.Helper()
	poll(p.t, "the connections to be idle", func() bool {
		for _, c := range p.oldRun().conns.list() {
			c.mu.Lock()
			idle := c.life.stage == stageWaiting && c.life.awaits == awaitsNext && c.life.wait == waitBlocks
			c.mu.Unlock()
			if !idle {
				return false
			}
		}
		return true
	})
}
