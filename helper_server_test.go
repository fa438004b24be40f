//go:build linux

package restart

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// A server is a real one in processes of its own.
type server struct {
	*proctest.Family
	t    testing.TB
	dir  string
	cfg  config
	addr string // of the first listener
}

// serve starts a server of one listener, unless the configuration has others.
// The changes are to how it is started.
func serve(t testing.TB, cfg config, changes ...func(*exec.Cmd)) *server {
	t.Helper()
	s := &server{t: t, dir: t.TempDir(), cfg: cfg}
	if s.cfg.Listeners == nil {
		s.cfg.Listeners = []listenerConfig{{"web", "tcp", "127.0.0.1:0"}}
	}
	s.configure(func(*config) {})
	if err := os.Symlink(executable(t), s.program()); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(s.program())
	cmd.Env = append(os.Environ(), configVar+"="+s.file("config.json"))
	for _, change := range changes {
		change(cmd)
	}
	s.Family = proctest.Start(t, "server", cmd)
	s.serving(1)
	s.addr = field(s.Wait(1, "added"), "addr")
	return s
}

func executable(t testing.TB) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return exe
}

// field returns the value of name=value in a line.
func field(line, name string) string {
	_, rest, _ := strings.Cut(line, name+"=")
	value, _, _ := strings.Cut(rest, " ")
	return value
}

func (s *server) file(name string) string { return filepath.Join(s.dir, name) }
func (s *server) program() string         { return s.file("prog") }

// configure changes what the next generation does.
func (s *server) configure(change func(*config)) {
	s.t.Helper()
	change(&s.cfg)
	b, err := json.Marshal(s.cfg)
	if err == nil {
		err = os.WriteFile(s.file("config.new"), b, 0o644)
	}
	if err == nil {
		err = os.Rename(s.file("config.new"), s.file("config.json"))
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// install puts another binary in place.
func (s *server) install(version string) {
	s.t.Helper()
	b, err := os.ReadFile(executable(s.t))
	if err == nil {
		b = append(b, versionMark+version...)
		err = os.WriteFile(s.file("prog.new"), b, 0o755)
	}
	if err == nil {
		err = os.Rename(s.file("prog.new"), s.program())
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

// serving waits until a generation serves and returns its PID.
func (s *server) serving(generation int) int {
	s.t.Helper()
	line := s.Wait(1, fmt.Sprintf("serves generation=%d ", generation))
	pid, err := strconv.Atoi(field(line, "pid"))
	if err != nil {
		s.t.Fatal(err)
	}
	return pid
}

// replaced waits until a process that got SIGHUP accepts nothing any more: for
// a moment its successor and it both do.
func (s *server) replaced(pid int) {
	s.t.Helper()
	s.Wait(1, fmt.Sprintf("after hangup pid=%d", pid))
}

// A client has one connection and never tries twice.
type client struct {
	t testing.TB
	net.Conn
	lines *bufio.Reader
}

func (s *server) dial() *client { s.t.Helper(); return dialAt(s.t, "tcp", s.addr) }

func dialAt(t testing.TB, network, address string) *client {
	t.Helper()
	c, err := net.DialTimeout(network, address, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(proctest.Patience))
	return &client{t: t, Conn: c, lines: bufio.NewReader(c)}
}

// ask sends a line and returns the answer.
func (c *client) ask(line string) string {
	c.t.Helper()
	answer, err := c.try(line)
	if err != nil {
		c.t.Fatalf("%s: %v", line, err)
	}
	return answer
}

func (c *client) try(line string) (string, error) {
	if _, err := fmt.Fprintln(c, line); err != nil {
		return "", err
	}
	answer, err := c.lines.ReadString('\n')
	return strings.TrimSpace(answer), err
}

// ask asks on a new connection.
func (s *server) ask(line string) string {
	s.t.Helper()
	c := s.dial()
	defer c.Close()
	return c.ask(line)
}

// restart asks the serving process for a restart and returns the error's text.
func (s *server) restart() string {
	s.t.Helper()
	text, err := strconv.Unquote(s.ask("restart"))
	if err != nil {
		s.t.Fatal(err)
	}
	return text
}

// replace restarts with success and returns the new PID.
func (s *server) replace() int {
	s.t.Helper()
	if got := s.restart(); got != "<nil>" {
		s.t.Fatal(got)
	}
	return s.pid()
}

// replaceTwice restarts twice while the first process drains, because it holds a
// request of slow. It returns that process and the one that serves.
func (s *server) replaceTwice() (slow *client, old, third int) {
	s.t.Helper()
	old = s.pid()
	slow = s.dial()
	slow.ask("hold")
	second := s.replace()
	third = s.replace()
	s.exited(second)
	return slow, old, third
}

// release lets the process go on with the request that it holds, which it answers.
func (c *client) release(pid int) {
	c.t.Helper()
	if got, want := c.ask("release"), fmt.Sprint("done ", pid); got != want {
		c.t.Errorf("got %q, want %q", got, want)
	}
	c.Close()
}

// who returns the answer of the serving process: version, generation, PID.
func (s *server) who() (version string, generation, pid int) {
	s.t.Helper()
	var name string
	answer := s.ask("who")
	if n, err := fmt.Sscan(answer, &version, &generation, &pid, &name); n != 4 {
		s.t.Fatalf("%q: %v", answer, err)
	}
	return version, generation, pid
}

func (s *server) pid() int {
	s.t.Helper()
	_, _, pid := s.who()
	return pid
}

// stop ends the family in good order.
func (s *server) stop() {
	s.t.Helper()
	pid := s.pid()
	s.Signal(pid, syscall.SIGTERM)
	s.WaitEnd()
	s.exited(pid)
}

// exited checks that a process ended as it should.
func (s *server) exited(pid int) {
	s.t.Helper()
	s.WaitExit(pid)
	line := s.Wait(1, fmt.Sprintf("exit pid=%d ", pid))
	if !strings.Contains(line, "error=<nil>") {
		s.t.Errorf("got %s", line)
	}
}

func (s *server) status() Status {
	s.t.Helper()
	var st Status
	if err := json.Unmarshal([]byte(s.ask("status")), &st); err != nil {
		s.t.Fatal(err)
	}
	return st
}

// load asks all the time, each time on a new connection, until the function
// that it returns is called. That fails the test for every request lost.
func (s *server) load() (stop func()) { s.t.Helper(); return proctest.Load(s.t, s.once) }

func (s *server) once() error {
	c, err := net.DialTimeout("tcp", s.addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(proctest.Patience))
	_, err = (&client{Conn: c, lines: bufio.NewReader(c)}).try("who")
	return err
}
