//go:build linux

package http_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	restarthttp "example.com/restart/http"
)

// The test binary is also the server under test: with roleVar set it plays that
// role, and so do the successors that it starts.
const roleVar = "RESTART_HTTP_TEST_ROLE"

var roles = map[string]func() error{
	"plain":    servePlain,
	"announce": serveAnnounced,
	"tls":      serveTLS,
	"two":      serveTwo,
	"named":    serveNamed,
}

func TestMain(m *testing.M) {
	name := os.Getenv(roleVar)
	if name == "" {
		os.Exit(m.Run())
	}
	role, ok := roles[name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no role %q\n", name)
		os.Exit(2)
	}
	if err := role(); err != http.ErrServerClosed {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// ready tells the test who serves where.
func ready(name string) func(string) {
	return func(addr string) { fmt.Printf("ready %d %s %s\n", os.Getpid(), name, addr) }
}

func pidHandler(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, os.Getpid())
}

func servePlain() error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", pidHandler)
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\n")
		rw.Flush()
		<-restarthttp.Draining(r.Context())
		rw.WriteString("goodbye\n")
		rw.Flush()
	})
	s := restarthttp.NewServer("127.0.0.1:0", mux)
	s.BeforeBegin = ready("plain")
	s.Linger = 200 * time.Millisecond
	return s.ListenAndServe()
}

func serveAnnounced() error {
	s := restarthttp.NewServer("127.0.0.1:0", http.HandlerFunc(pidHandler))
	restarthttp.PretendCannotMove(s)
	s.BeforeBegin = ready("plain")
	s.Linger = 200 * time.Millisecond
	return s.ListenAndServe()
}

func serveTLS() error {
	s := restarthttp.NewServer("127.0.0.1:0", http.HandlerFunc(pidHandler))
	s.BeforeBegin = ready("tls")
	s.Linger = 200 * time.Millisecond
	return s.ListenAndServeTLS(os.Getenv("TEST_CERT"), os.Getenv("TEST_KEY"))
}

// serveTwo serves two addresses, the second one until TEST_DROP exists.
func serveTwo() error {
	errs := make(chan error, 2)
	n := 0
	for _, name := range []string{"one", "two"} {
		if _, err := os.Stat(os.Getenv("TEST_DROP")); err == nil && name == "two" {
			continue
		}
		s := restarthttp.NewServer("127.0.0.1:0", http.HandlerFunc(pidHandler))
		s.Name = name
		s.BeforeBegin = ready(name)
		s.Linger = 200 * time.Millisecond
		n++
		go func() { errs <- s.ListenAndServe() }()
	}
	var err error
	for range n {
		err = <-errs
	}
	return err
}

// A server is a process in a role, and its successors.
type server struct {
	t     *testing.T
	first *exec.Cmd

	mu    sync.Mutex
	lines []string // that any generation printed
	more  chan struct{}
	log   strings.Builder
}

func start(t *testing.T, role string, env ...string) *server {
	t.Helper()
	s := &server{t: t, more: make(chan struct{})}
	s.first = exec.Command(os.Args[0])
	s.first.Env = append(append(os.Environ(), roleVar+"="+role), env...)
	out, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	s.first.Stdout, s.first.Stderr = w, w
	if err := s.first.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var reading sync.WaitGroup
	reading.Go(func() { s.read(out) })
	t.Cleanup(func() {
		// Whoever serves is asked to stop; the pipe ends with the last one.
		for _, pid := range s.pids() {
			syscall.Kill(pid, syscall.SIGTERM)
		}
		s.first.Wait()
		out.SetReadDeadline(time.Now().Add(20 * time.Second))
		reading.Wait()
		out.Close()
		for _, pid := range s.pids() {
			syscall.Kill(pid, syscall.SIGKILL)
		}
		if t.Failed() {
			t.Logf("what the server wrote:\n%s", s.log.String())
		}
	})
	return s
}

func (s *server) read(out io.Reader) {
	for sc := bufio.NewScanner(out); sc.Scan(); {
		s.mu.Lock()
		s.log.WriteString(sc.Text() + "\n")
		if strings.HasPrefix(sc.Text(), "ready ") {
			s.lines = append(s.lines, sc.Text())
		}
		close(s.more)
		s.more = make(chan struct{})
		s.mu.Unlock()
	}
}

// pids returns the processes that have said something and still run.
func (s *server) pids() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	var pids []int
	for _, l := range s.lines {
		pid, _ := strconv.Atoi(strings.Fields(l)[1])
		if alive(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// alive reports whether pid runs, zombies aside.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(after, "Z")
}

// ready waits for the nth line about the listener and returns who serves it and
// where.
func (s *server) ready(name string, nth int) (pid int, addr string) {
	s.t.Helper()
	bound := time.NewTimer(30 * time.Second)
	defer bound.Stop()
	for {
		s.mu.Lock()
		more, found := s.more, 0
		for _, l := range s.lines {
			if f := strings.Fields(l); f[2] == name {
				if found++; found == nth {
					s.mu.Unlock()
					pid, _ := strconv.Atoi(f[1])
					return pid, f[3]
				}
			}
		}
		s.mu.Unlock()
		select {
		case <-more:
		case <-bound.C:
			s.t.Fatalf("no line %d about %q", nth, name)
		}
	}
}

// logged waits until a line with all the words has been written.
func (s *server) logged(words ...string) string {
	s.t.Helper()
	bound := time.NewTimer(30 * time.Second)
	defer bound.Stop()
	for {
		s.mu.Lock()
		more, text := s.more, s.log.String()
		s.mu.Unlock()
		for line := range strings.Lines(text) {
			all := true
			for _, w := range words {
				all = all && strings.Contains(line, w)
			}
			if all {
				return line
			}
		}
		select {
		case <-more:
		case <-bound.C:
			s.t.Fatalf("no line with %q", words)
		}
	}
}

// gone waits for a process to end.
func (s *server) gone(pid int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for alive(pid) {
		select {
		case <-tick.C:
		case <-ctx.Done():
			s.t.Fatalf("process %d does not end", pid)
		}
	}
}

// restart replaces pid and waits until it is gone.
func (s *server) restart(pid int) {
	s.t.Helper()
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		s.t.Fatal(err)
	}
	s.gone(pid)
}
