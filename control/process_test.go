//go:build linux

package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/internal/proctest"
	"example.com/restart/tcp"
)

// serverRole answers each line with its PID, and is controlled by TEST_SOCKET. It
// ends when the test lets it.
func serverRole() {
	slog.SetDefault(proctest.Logger())
	err := serveControlled()
	fmt.Printf("end pid=%d error=%v\n", os.Getpid(), err)
	if words, ok := errors.AsType[brokenError](err); ok {
		fmt.Fprintln(os.Stderr, words)
		os.Exit(1)
	}
	if hold := os.Getenv("TEST_HOLD"); hold != "" {
		os.ReadFile(hold) // a pipe that the test writes to
	}
}

// A brokenError is what TEST_BROKEN says.
type brokenError string

func (e brokenError) Error() string { return string(e) }

func serveControlled() error {
	probation, _ := time.ParseDuration(os.Getenv("TEST_PROBATION"))
	r, err := restart.New(restart.Options{Probation: probation})
	if err != nil {
		return err
	}
	if words, err := os.ReadFile(os.Getenv("TEST_BROKEN")); err == nil {
		return brokenError(words)
	}
	answer := tcp.New(func(_ context.Context, c net.Conn) {
		for lines := bufio.NewScanner(c); lines.Scan(); {
			fmt.Fprintln(c, os.Getpid())
		}
	})
	if _, err := r.Add("web", "tcp", "127.0.0.1:0", answer); err != nil {
		return err
	}
	if _, err := Add(r, os.Getenv("TEST_SOCKET")); err != nil {
		return err
	}
	return r.Run(context.Background())
}

// dropInRole has no Restarter of its own.
func dropInRole() {
	slog.SetDefault(proctest.Logger())
	_, err := AddDefault(os.Getenv("TEST_SOCKET"))
	if err == nil {
		server := restarthttp.NewServer("127.0.0.1:0", http.NotFoundHandler())
		server.Name = "web"
		err = restarthttp.Serve(context.Background(), server)
	}
	fmt.Printf("end pid=%d error=%v\n", os.Getpid(), err)
}

// startServer starts a server and returns the family, its first generation and a
// Client.
func startServer(t *testing.T, role string) (*proctest.Family, proctest.Generation, Client, string) {
	t.Helper()
	dir := t.TempDir()
	c, broken := Client{Path: filepath.Join(dir, "sock")}, filepath.Join(dir, "broken")
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_SOCKET="+c.Path, "TEST_BROKEN="+broken)
	f := proctest.Start(t, role, cmd)
	return f, f.Serving(1, 2), c, broken
}

// Restarts, failed and good ones, a drain that is followed, a history that goes
// along, and a stop, of real processes.
func TestControlledProcess(t *testing.T) {
	f, first, c, broken := startServer(t, "server")
	if fi, err := os.Stat(c.Path); err != nil || fi.Mode() != os.ModeSocket|0o600 {
		t.Errorf("got mode %v, %v", fi.Mode(), err)
	}
	if err := os.WriteFile(broken, []byte("no such plugin"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := c.Restart(t.Context(), RestartOptions{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeFailed || e.Phase != "ready" || e.PID == 0 {
		t.Errorf("a broken release: got %+v", e)
	}
	os.Remove(broken)

	// The client holds the drain up until it goes.
	conn, err := net.Dial("tcp", first.Addr["web"])
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintln(conn, "who?")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != fmt.Sprintln(first.PID) || err != nil {
		t.Fatalf("got %q, %v", line, err)
	}
	var last Progress
	replaced, err := c.Restart(t.Context(), RestartOptions{Drain: func(p Progress) {
		if p.Event == ProgressReplaced && p.Connections != 1 {
			t.Errorf("got %+v, want one connection", p)
		}
		conn.Close()
		last = p
	}})
	if err != nil {
		t.Fatal(err)
	}
	second := f.Serving(2, 2)
	if replaced.PID != first.PID || replaced.Successor != second.PID || last.Event != ProgressDrained {
		t.Errorf("got %+v, %+v; want %d replaced by %d", replaced, last, first.PID, second.PID)
	}
	f.WaitExit(first.PID)

	s := statusWithDrain(t, c)
	if s.Generation != 2 || s.PID != second.PID || len(s.Restarts) != 2 {
		t.Fatalf("got %+v", s)
	}
	if a := s.Restarts[0]; a.Result != ResultFailed || a.PID != first.PID || !contains(a.Error, "it exited before taking over") {
		t.Errorf("the failed restart: got %+v", a)
	}
	if a := s.Restarts[1]; a.Result != ResultReplaced || a.Successor != second.PID || len(a.Phases) != 6 || a.Drain == nil || a.Drain.Forced {
		t.Errorf("the good restart: got %+v", a)
	}
	stopServer(t, f, c, second)
}

// statusWithDrain asks until the successor has heard how the drain before it went.
func statusWithDrain(t *testing.T, c Client) (s Status) {
	t.Helper()
	proctest.Poll(t, "the history tells of the drain", func() (err error) {
		if s, err = c.Status(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n := len(s.Restarts); n == 0 || s.Restarts[n-1].Drain == nil {
			return fmt.Errorf("got %+v", s.Restarts)
		}
		return nil
	})
	return s
}

// stopServer stops the last generation, and wants that its process has ended then.
func stopServer(t *testing.T, f *proctest.Family, c Client, g proctest.Generation) {
	t.Helper()
	if err := c.Stop(t.Context(), nil); err != nil {
		t.Error(err)
	}
	f.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", g.PID))
	f.WaitEnd()
	if _, err := c.Status(t.Context()); !errors.Is(err, ErrNotRunning) || !contains(err.Error(), "no such socket") {
		t.Errorf("after the stop: got %v", err)
	}
}

// A release that is undone ends at once, and does not wait for a successor.
func TestUndoneProcess(t *testing.T) {
	t.Setenv("TEST_PROBATION", "1h")
	f, first, c, _ := startServer(t, "server")
	if _, err := c.Restart(t.Context(), RestartOptions{}); err != nil {
		t.Fatal(err)
	}
	second := f.Serving(2, 2)
	f.Wait(1, "restart: replaced, on probation")
	if err := c.Undo(t.Context(), "bad answers"); err != nil {
		t.Fatal(err)
	}
	f.WaitExit(second.PID)
	stopServer(t, f, c, first)
}

// Of two restarts at once the second runs in the successor of the first.
func TestTwoRestartsAtOnce(t *testing.T) {
	f, _, c, _ := startServer(t, "server")
	const n = 3
	generations, errs := make(chan int, n), make(chan error, n)
	for range n {
		go func() {
			r, err := c.Restart(t.Context(), RestartOptions{})
			generations <- r.Generation
			errs <- err
		}()
	}
	seen := make(map[int]bool)
	for range n {
		if err := receive(t, errs); err != nil {
			t.Error(err)
		}
		seen[receive(t, generations)] = true
	}
	for g := 1; g <= n; g++ {
		if !seen[g] {
			t.Errorf("generation %d was not replaced: got %v", g, seen)
		}
	}
	stopServer(t, f, c, f.Serving(n+1, 2))
}

// One line is enough in a program that uses the drop-in.
func TestDropIn(t *testing.T) {
	f, first, c, _ := startServer(t, "dropin")
	r, err := c.Restart(t.Context(), RestartOptions{})
	if err != nil || r.PID != first.PID {
		t.Errorf("got %+v, %v", r, err)
	}
	stopServer(t, f, c, f.Serving(2, 2))
}
