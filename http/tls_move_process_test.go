//go:build linux

package restarthttp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	restarthttp "example.com/restart/http"
	"example.com/restart/internal/proctest"
)

// serveMoveTLS answers each POST by its PID, and notes its body in the file
// TEST_SEEN.
func serveMoveTLS() error {
	seen, err := os.OpenFile(os.Getenv("TEST_SEEN"), os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	defer seen.Close()
	s := newServer("web", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		if len(body) > 0 {
			fmt.Fprintf(seen, "%s\n", body) // one write, so whole
		}
		fmt.Fprintf(w, "%d %s %s", os.Getpid(), tls.CipherSuiteName(r.TLS.CipherSuite), body)
	}))
	s.CertFile, s.KeyFile, s.MoveTLS = os.Getenv("TEST_CERT"), os.Getenv("TEST_KEY"), true
	return restarthttp.Serve(context.Background(), s)
}

// startMoveTLS returns the first generation and the file of what was answered.
func startMoveTLS(t *testing.T) (f *proctest.Family, g proctest.Generation, seen string) {
	t.Helper()
	seen = filepath.Join(t.TempDir(), "seen")
	_, _, env := certificate(t)
	f, g = start(t, "movetls", 1, append(env, "TEST_SEEN="+seen)...)
	return f, g, seen
}

func dialTLS(t *testing.T, addr string, config *tls.Config) *raw {
	t.Helper()
	config = config.Clone()
	config.InsecureSkipVerify = true
	c, err := tls.Dial("tcp", addr, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{c, bufio.NewReader(c)}
}

// postBody sends one request and checks that the answer is to it.
func (c *raw) postBody(body string) error {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return err
	}
	got, closes, err := c.answer()
	switch {
	case err != nil:
		return err
	case closes:
		return fmt.Errorf("the server announces to close")
	case !strings.HasSuffix(got, " "+body):
		return fmt.Errorf("got %q, want the answer to %q", got, body)
	}
	return nil
}

// Clients that never retry keep their connections over restarts, and every request
// is answered once.
func TestTLSConnectionsSurviveRestarts(t *testing.T) {
	for _, version := range []uint16{tls.VersionTLS13, tls.VersionTLS12} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			f, g, seen := startMoveTLS(t)
			sent := make([]int, size(t, "TEST_TLS_CLIENTS", 8))
			l := startLoad(t, len(sent), func(i int) func() error {
				c := dialTLS(t, g.Addr["web"], &tls.Config{MaxVersion: version})
				return func() error {
					err := c.postBody(fmt.Sprintf("%d/%d", i, sent[i]))
					if err == nil {
						sent[i]++
					}
					return err
				}
			})
			for range size(t, "TEST_TLS_RESTARTS", 4) {
				g = replace(f, g)
			}
			l.end()
			stop(f, g)
			checkSeen(t, seen, sent)
		})
	}
}

// checkSeen checks that what each client has sent was handled once.
func checkSeen(t *testing.T, file string, sent []int) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	times := make(map[string]int)
	for _, body := range strings.Fields(string(b)) {
		times[body]++
	}
	all := 0
	for i, n := range sent {
		all += n
		for j := range n {
			if got := times[fmt.Sprintf("%d/%d", i, j)]; got != 1 {
				t.Errorf("request %d/%d was handled %d times, want once", i, j, got)
			}
		}
	}
	t.Logf("%d connections, %d requests", len(sent), all)
}

// The suites that crypto/tls would not choose, with a client that is not Go's, and
// KeyUpdate before and after a move: k sends one, K asks for the server's too.
func TestOpenSSL(t *testing.T) {
	openssl := proctest.Program(t, "openssl", "openssl")
	for _, tt := range []struct {
		name, version, suite string
		first                string // KeyUpdate before any move
	}{
		{"AES-128", "-tls1_3", "TLS_AES_128_GCM_SHA256", ""},
		{"AES-256", "-tls1_3", "TLS_AES_256_GCM_SHA384", ""},
		{"ChaCha20", "-tls1_3", "TLS_CHACHA20_POLY1305_SHA256", ""},
		{"KeyUpdate before a move", "-tls1_3", "TLS_AES_128_GCM_SHA256", "K"},
		{"TLS 1.2", "-tls1_2", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f, g, _ := startMoveTLS(t)
			args := []string{"s_client", "-quiet", "-no_ign_eof", "-connect", g.Addr["web"], tt.version}
			if tt.suite != "" {
				args = append(args, "-ciphersuites", tt.suite)
			}
			c := startOpenSSL(t, openssl, args)
			first := c.ask(t)
			if tt.suite != "" && !strings.Contains(first, tt.suite) {
				t.Errorf("got %q, want cipher suite %s", first, tt.suite)
			}
			if tt.first != "" {
				c.updateKeys(t, tt.first)
				c.ask(t)
			}
			for range 3 {
				old := g
				g = f.Restart(g)
				if tt.first != "" {
					// It stays, is told, and loses nothing.
					if got := c.ask(t); !strings.HasPrefix(got, fmt.Sprint(old.PID)) {
						t.Errorf("got %q, want an answer of PID %d", got, old.PID)
					}
					f.WaitExit(old.PID)
					break
				}
				f.WaitExit(old.PID)
				if got := c.ask(t); !strings.HasPrefix(got, fmt.Sprint(g.PID)) {
					t.Errorf("got %q, want an answer of PID %d", got, g.PID)
				}
				if tt.version == "-tls1_3" {
					for _, key := range []string{"k", "K"} {
						c.updateKeys(t, key)
						c.ask(t)
					}
				}
			}
			c.in.Close()
			stop(f, g)
		})
	}
}

// An opensslClient reads answers of one connection.
type opensslClient struct {
	in       io.WriteCloser
	out, err *bufio.Reader
}

func startOpenSSL(t *testing.T, openssl string, args []string) *opensslClient {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	cmd := exec.CommandContext(ctx, openssl, args...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); cmd.Wait() })
	return &opensslClient{in, bufio.NewReader(out), bufio.NewReader(stderr)}
}

// updateKeys gives the command k or K, and waits until it is carried out: openssl
// would drop what it reads together with it.
func (c *opensslClient) updateKeys(t *testing.T, command string) {
	t.Helper()
	fmt.Fprintf(c.in, "%s\n", command)
	for {
		line, err := c.err.ReadString('\n')
		if err != nil {
			t.Fatalf("command %s: %v", command, err)
		}
		if strings.Contains(line, "KEYUPDATE") {
			return
		}
	}
}

func (c *opensslClient) ask(t *testing.T) string {
	t.Helper()
	io.WriteString(c.in, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(c.out, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Many idle connections move, and each is answered by the successor afterwards.
func TestManyIdleTLSConnectionsMove(t *testing.T) {
	f, g, _ := startMoveTLS(t)
	config := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)} // cheaper handshakes
	clients := make([]*raw, size(t, "TEST_TLS_IDLE", 100))
	for i := range clients {
		clients[i] = dialTLS(t, g.Addr["web"], config)
		if err := clients[i].postBody("x"); err != nil {
			t.Fatal(err)
		}
	}
	next := f.Restart(g)
	served := time.Now()
	f.WaitExit(g.PID)
	t.Logf("%d connections: the old process has ended %v after the new one served", len(clients), time.Since(served))
	for i, c := range clients {
		if got := c.mustPost(t); !strings.HasPrefix(got, fmt.Sprint(next.PID)) {
			t.Fatalf("connection %d: got %q, want PID %d", i, got, next.PID)
		}
	}
	stop(f, next)
}
