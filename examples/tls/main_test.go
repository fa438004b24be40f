//go:build linux

package main

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
	"example.com/restart/internal/proctest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// HTTP/2 stays HTTP/2, a request over it that was begun is answered by the old
// process, and the new one uses the certificate that is there by then.
func TestNewBinaryAndCertificate(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	roots := x509.NewCertPool()
	roots.AddCert(proctest.Certificate(t, cert, key, 1))

	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0", "-cert", cert, "-key", key)
	first := p.Serving(1, 1)
	addr := first.Addr["127.0.0.1:0"]
	url := "https://" + addr
	client := func() *http.Client {
		return &http.Client{Transport: &http.Transport{
			TLSClientConfig:   &tls.Config{RootCAs: roots},
			ForceAttemptHTTP2: true,
		}}
	}

	old := client()
	if got := exampletest.Get(t, old, url); got.Version != "1" || got.PID != first.PID || got.Proto != "HTTP/2.0" {
		t.Fatalf("before: got %+v, want version 1 and process %d over HTTP/2.0", got, first.PID)
	}
	exampletest.Replace(t, bin, "2")
	roots.AddCert(proctest.Certificate(t, cert, key, 2))
	slow := exampletest.Begin(t, old, url+"/slow?d=2s")
	p.Signal(first.PID, syscall.SIGHUP)

	second := p.Serving(2, 1)
	fresh := client()
	fresh.Transport.(*http.Transport).DisableKeepAlives = true
	if got := exampletest.AnsweredBy(t, fresh, url, second.PID); got.Version != "2" || got.Proto != "HTTP/2.0" {
		t.Errorf("after: got %+v, want version 2 over HTTP/2.0", got)
	}
	if got := slow(); got.Status != http.StatusOK || got.PID != first.PID {
		t.Errorf("slow request: got %+v, want process %d", got, first.PID)
	}
	old.CloseIdleConnections()
	p.Exit()
	if got := serial(t, addr, roots); got != 2 {
		t.Errorf("the new process shows certificate %d, want 2", got)
	}

	p.Signal(second.PID, syscall.SIGTERM)
	p.Gone(second.PID)
	exampletest.Refused(t, addr)
}

// serial returns the number of the certificate that a new connection sees.
func serial(t *testing.T, addr string, roots *x509.CertPool) int64 {
	t.Helper()
	c, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}
