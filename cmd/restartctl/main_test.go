//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"example.com/restart"
	"example.com/restart/control"
	"example.com/restart/internal/proctest"
	"example.com/restart/tcp"
)

func TestMain(m *testing.M) {
	code := proctest.Main(m, map[string]func(){"server": serverRole})
	if built != "" {
		os.RemoveAll(filepath.Dir(built))
	}
	os.Exit(code)
}

// serverRole is a server whose successor does what the file TEST_FAULT says.
func serverRole() {
	slog.SetDefault(proctest.Logger())
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	}
}

func serve() error {
	r, err := restart.New(restart.Options{Version: "v1.4.2"})
	if err != nil {
		return err
	}
	switch fault, _ := os.ReadFile(os.Getenv("TEST_FAULT")); string(fault) {
	case "exit":
		fmt.Fprintln(os.Stderr, "config: reading app.conf")
		return errors.New("config: no such key: colour")
	case "hang":
		fmt.Printf("hanging pid=%d\n", os.Getpid())
		select {} // SIGTERM ends it: Run has not been called
	}
	hold := tcp.New(func(_ context.Context, c net.Conn) {
		fmt.Fprintln(c, "held")
		c.Read(make([]byte, 1)) // until the client goes
	})
	if _, err := r.Add("web", "tcp", "127.0.0.1:0", hold); err != nil {
		return err
	}
	if _, err := control.Add(r, os.Getenv("TEST_SOCKET")); err != nil {
		return err
	}
	return r.Run(context.Background())
}

// built is where build has put restartctl.
var built string

// build builds the real restartctl, once.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "restartctl")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "restartctl")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	built = path
	return path, nil
})

// A site is a server and a restartctl for it.
type site struct {
	t                      *testing.T
	family                 *proctest.Family
	first                  proctest.Generation
	program, socket, fault string
	command                string // restartctl
}

func newSite(t *testing.T) *site {
	t.Helper()
	command, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := &site{t: t, command: command, program: filepath.Join(dir, "server"), socket: filepath.Join(dir, "sock"), fault: filepath.Join(dir, "fault")}
	// A copy, so that a release can be put in its place.
	if out, err := exec.Command("cp", os.Args[0], s.program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	cmd := exec.Command(s.program)
	cmd.Env = append(os.Environ(), "TEST_SOCKET="+s.socket, "TEST_FAULT="+s.fault)
	s.family = proctest.Start(t, "server", cmd)
	s.first = s.family.Serving(1, 2)
	return s
}

// prepare returns a command that knows the socket and restartctl.
func (s *site) prepare(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), proctest.Patience)
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "RESTARTCTL_SOCKET="+s.socket, "PATH="+filepath.Dir(s.command)+":"+os.Getenv("PATH"))
	return cmd
}

// ctl runs restartctl and wants an exit code. It returns what that prints.
func (s *site) ctl(want int, args ...string) string {
	s.t.Helper()
	return s.result(s.prepare(s.command, args...), want)
}

func (s *site) result(cmd *exec.Cmd, want int) string {
	s.t.Helper()
	out, err := cmd.CombinedOutput()
	if got := cmd.ProcessState.ExitCode(); got != want {
		s.t.Errorf("%q: got exit code %d (%v), want %d:\n%s", cmd.Args, got, err, want, out)
	}
	return string(out)
}

func (s *site) setFault(fault string) {
	s.t.Helper()
	if err := os.WriteFile(s.fault, []byte(fault), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *site) stop() {
	s.t.Helper()
	s.ctl(exitDone, "stop")
	s.family.WaitEnd()
}
