//go:build linux

package restarthttp_test

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// A listener that the new program has not: what waits there is answered. The
// servers are started one by one, so the successor has to wait for the one that
// does not come.
func TestDroppedListener(t *testing.T) {
	drop := filepath.Join(t.TempDir(), "drop")
	f, g := start(t, "separate", 2, "TEST_DROP="+drop)
	kept, dropped := dial(t, g.Addr["one"]), dial(t, g.Addr["two"])
	kept.mustPost(t)
	dropped.mustPost(t)
	if err := os.WriteFile(drop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	next := f.Restart(proctest.Generation{Number: g.Number, PID: g.PID, Addr: map[string]string{"one": g.Addr["one"]}})
	if got := dropped.mustPost(t); got != fmt.Sprint(g.PID) {
		t.Errorf("dropped listener: answered by %s, want %d", got, g.PID)
	}
	f.WaitExit(g.PID)
	if got := kept.mustPost(t); got != fmt.Sprint(next.PID) {
		t.Errorf("kept listener: answered by %s, want %d", got, next.PID)
	}
	if c, err := net.Dial("tcp", g.Addr["two"]); err == nil {
		c.Close()
		t.Error("the dropped listener still accepts")
	}
	if !strings.HasPrefix(g.Addr["one"], "127.0.0.1:") {
		t.Errorf("got %s", g.Addr["one"])
	}
	stop(f, next)
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
	file := filepath.Join(t.TempDir(), "listeners")
	write := func(lines string) {
		if err := os.WriteFile(file, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("web " + public + " public\n")
	f, first := start(t, "listed", 1, "TEST_LISTENERS="+file)
	c := dial(t, public)
	c.SetDeadline(time.Now().Add(30 * time.Second))

	// When the server says "continue", the first generation has the request.
	io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n")
	if line, err := c.br.ReadString('\n'); err != nil || !strings.Contains(line, "100") {
		t.Fatalf("got %q, %v, want to continue", line, err)
	}
	c.br.ReadString('\n')
	write("public " + public + " public\nweb " + admin + " admin\n")
	g := first
	for range 2 {
		g.Addr = map[string]string{"public": public, "web": admin}
		g = f.Restart(g)
	}
	answer := func() string {
		t.Helper()
		body, _, err := c.answer()
		if err != nil {
			t.Fatal(err)
		}
		return body
	}
	io.WriteString(c, "x")
	if got, want := answer(), fmt.Sprintf("public %d", first.PID); got != want {
		t.Errorf("the request that was begun: got %q, want %q", got, want)
	}
	f.WaitExit(first.PID)
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if got, want := answer(), fmt.Sprintf("public %d", g.PID); got != want {
		t.Errorf("after two restarts: got %q, want %q", got, want)
	}
	stop(f, g)
}

// Hooks that a server keeps run once it is started, and in each generation.
func TestHooksRun(t *testing.T) {
	f, g := start(t, "hooked", 1)
	for range 2 {
		next := replace(f, g)
		for _, when := range []string{"before", "after"} {
			f.Wait(1, fmt.Sprintf("%s hangup pid=%d", when, g.PID))
		}
		g = next
	}
	stop(f, g)
}

// A Restarter with the program's options serves what ListenAndServe starts.
func TestSetDefault(t *testing.T) {
	file := filepath.Join(t.TempDir(), "pid")
	f, g := start(t, "own", 1, "TEST_PIDFILE="+file)
	g = replace(f, g)
	if b, err := os.ReadFile(file); strings.TrimSpace(string(b)) != fmt.Sprint(g.PID) || err != nil {
		t.Errorf("PID file: got %q, %v; want %d", b, err, g.PID)
	}
	if got := dial(t, g.Addr["web"]).mustPost(t); got != fmt.Sprint(g.PID) {
		t.Errorf("answered by %s, want %d", got, g.PID)
	}
	stop(f, g)
}
