//go:build linux

package restarthttp_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

func startTLS(t *testing.T) (f *proctest.Family, g proctest.Generation, cert, key string) {
	t.Helper()
	cert, key, env := certificate(t)
	f, g = start(t, "tls", 1, env...)
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
	proctest.Certificate(t, cert, key, 2)
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
	l := startLoad(t, 1, func(int) func() error {
		return func() error {
			resp, err := client.Get("https://" + addr)
			if err != nil {
				return err
			}
			defer resp.Body.Close()
			if _, err := io.Copy(io.Discard, resp.Body); err != nil {
				return err
			}
			if resp.ProtoMajor != 2 {
				return errors.New(resp.Proto)
			}
			return nil
		}
	})
	for range 5 {
		g = replace(f, g)
	}
	l.end()
	stop(f, g)
}
