//go:build linux

package http_test

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	restarthttp "example.com/restart/http"
)

// serveNamed serves what the lines of the file TEST_NAMES say: name, address
// and what to answer.
func serveNamed() error {
	conf, err := os.ReadFile(os.Getenv("TEST_NAMES"))
	if err != nil {
		return err
	}
	errs, n := make(chan error), 0
	for line := range strings.Lines(string(conf)) {
		f := strings.Fields(line)
		s := restarthttp.NewServer(f[1], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%s %d", f[2], os.Getpid())
		}))
		s.Name, s.Linger, s.BeforeBegin = f[0], 200*time.Millisecond, ready(f[2])
		n++
		go func() { errs <- s.ListenAndServe() }()
	}
	for range n {
		err = <-errs
	}
	return err
}

// A connection that is busy over two restarts goes from the first generation
// to the third, where its listener has another name, and another listener has
// the name that its own had.
func TestConnectionSkipsARename(t *testing.T) {
	free := func() string {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		return ln.Addr().String()
	}
	public, admin := free(), free()
	file := filepath.Join(t.TempDir(), "names")
	write := func(lines string) {
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web " + public + " public\n")
	s := start(t, "named", "TEST_NAMES="+file)
	pid, _ := s.ready("public", 1)
	first := pid
	c := dial(t, public)
	c.SetDeadline(time.Now().Add(30 * time.Second))

	// When the server says "continue", the first generation has the request.
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
	if line, err := c.br.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v, want to continue", line, err)
	}
	c.br.ReadString('\n')
	write("public " + public + " public\nweb " + admin + " admin\n")
	for i := range 2 {
		if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		pid, _ = s.ready("public", i+2)
		s.logged("restart: serving", fmt.Sprintf("generation=%d", i+2))
	}
	answer := func() string {
		t.Helper()
		resp, err := http.ReadResponse(c.br, nil)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	io.WriteString(c, "x")
	if got, want := answer(), fmt.Sprintf("public %d", first); got != want {
		t.Errorf("the request that was begun: got %q, want %q", got, want)
	}
	s.gone(first)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, want := answer(), fmt.Sprintf("public %d", pid); got != want {
		t.Errorf("after two restarts: got %q, want %q", got, want)
	}
}
