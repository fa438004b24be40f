//go:build linux

package restarthttp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// writeCertificate makes a certificate of the given serial number.
func writeCertificate(t *testing.T, certFile, keyFile string, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(serial),
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(time.Hour),
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: der},
		keyFile:  {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func startTLS(t *testing.T) (f *proctest.Family, g proctest.Generation, cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	writeCertificate(t, cert, key, 1)
	f, g = start(t, "tls", 1, "TEST_CERT="+cert, "TEST_KEY="+key)
	return f, g, cert, key
}

// visit makes one connection and one request.
func visit(t *testing.T, addr string, config *tls.Config) (state tls.ConnectionState, body string) {
	t.Helper()
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	// Reading to the end takes in the tickets that come after the handshake.
	b, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return c.ConnectionState(), string(b)
}

// A client that comes back after a restart resumes its session; after several
// restarts, too.
func TestSessionsAreResumedAfterARestart(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			f, g, _, _ := startTLS(t)
			addr := g.Addr["web"]
			config := &tls.Config{
				InsecureSkipVerify: true,
				ClientSessionCache: tls.NewLRUClientSessionCache(1),
				MinVersion:         version,
				MaxVersion:         version,
			}
			if state, _ := visit(t, addr, config); state.DidResume {
				t.Fatal("the first handshake was resumed")
			}
			for i := range 3 {
				g = replace(f, g)
				if state, _ := visit(t, addr, config); !state.DidResume {
					t.Errorf("after restart %d: not resumed", i+1)
				}
			}
			stop(f, g)
		})
	}
}

// Each generation reads the certificate anew.
func TestCertificateIsReadAnew(t *testing.T) {
	f, g, cert, key := startTLS(t)
	addr := g.Addr["web"]
	config := &tls.Config{InsecureSkipVerify: true}
	serial := func() int64 {
		state, _ := visit(t, addr, config)
		return state.PeerCertificates[0].SerialNumber.Int64()
	}
	if got := serial(); got != 1 {
		t.Fatalf("got certificate %d, want 1", got)
	}
	writeCertificate(t, cert, key, 2)
	g = replace(f, g)
	if got := serial(); got != 2 {
		t.Errorf("got certificate %d, want 2", got)
	}
	stop(f, g)
}

// A certificate that cannot be read makes the restart fail, with a reason, and
// the old process serves on.
func TestBadCertificateStopsNothing(t *testing.T) {
	f, g, cert, _ := startTLS(t)
	addr := g.Addr["web"]
	visit(t, addr, &tls.Config{InsecureSkipVerify: true})
	if err := os.WriteFile(cert, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.Signal(g.PID, syscall.SIGHUP)
	f.Wait(1, fmt.Sprintf("restarted pid=%d error=", g.PID), "cert.pem")
	if _, body := visit(t, addr, &tls.Config{InsecureSkipVerify: true}); body == "" {
		t.Error("the old process does not answer")
	}
	stop(f, g)
}

// HTTP/2 goes on over restarts with a client that heeds GOAWAY.
func TestHTTP2LosesNothing(t *testing.T) {
	f, g, _, _ := startTLS(t)
	addr := g.Addr["web"]
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: 20 * time.Second}
	halt, done := make(chan struct{}), make(chan int, 1)
	go func() {
		n := 0
		for ; ; n++ {
			select {
			case <-halt:
				done <- n
				return
			default:
			}
			resp, err := client.Get("https://" + addr)
			if err != nil {
				t.Errorf("request %d: %v", n, err)
				continue
			}
			io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
			if resp.ProtoMajor != 2 {
				t.Errorf("request %d: %s", n, resp.Proto)
			}
		}
	}()
	for range 5 {
		g = replace(f, g)
	}
	close(halt)
	t.Log(fmt.Sprint(<-done, " requests"))
	stop(f, g)
}
