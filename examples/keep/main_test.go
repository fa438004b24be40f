//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
	"example.com/restart/internal/proctest"
)

var (
	clients  = flag.Int("clients", 2, "clients of each kind and transport in TestNothingIsLost")
	restarts = flag.Int("restarts", 4, "restarts in TestNothingIsLost")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Over restarts every client keeps its connection, and each message comes once
// and in order: with each library, without TLS and with either version of it.
func TestNothingIsLost(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := x509.NewCertPool()
	roots.AddCert(proctest.Certificate(t, cert, key, 1))
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0", "-tls", "127.0.0.1:0", "-cert", cert, "-key", key)
	g := p.Serving(1, 2)
	l := &load{halt: make(chan struct{})}
	started := 0
	start := func(name string, client func() error) {
		started++
		l.clients.Go(func() {
			if err := client(); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	for name, to := range map[string]server{
		"plain":   {addr: g.Addr["127.0.0.1:0"]},
		"TLS 1.3": {g.Addr["tls"], &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}},
		"TLS 1.2": {g.Addr["tls"], &tls.Config{RootCAs: roots, MaxVersion: tls.VersionTLS12}},
	} {
		for range *clients {
			for path := range webSockets {
				start(name+" "+path, func() error { return l.talk(to, path) })
			}
			start(name+" events", func() error { return l.follow(to) })
			start(name+" poll", func() error { return l.poll(to) })
		}
	}
	for i := range *restarts {
		l.wait(t, int64(5*started)) // all kinds are at work
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 2)
	}
	l.wait(t, int64(5*started))
	close(l.halt)
	l.clients.Wait()
	t.Logf("%d clients, %d restarts, %d messages", started, *restarts, l.messages.Load())
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}
