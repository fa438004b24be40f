//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/control"
	"example.com/restart/internal/proctest"
)

// wants fails unless the text holds all the words.
func wants(t *testing.T, text string, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(text, w) {
			t.Errorf("got %q, want %q in it", text, w)
		}
	}
}

// A good successor, one that fails, and one that hangs until it is called off.
func TestRestart(t *testing.T) {
	s := newSite(t)
	out := s.ctl(exitDone, "restart")
	second := s.family.Serving(2, 2)
	wants(t, out, fmt.Sprintf("generation 1 (process %d) is replaced by process %d", s.first.PID, second.PID))

	s.setFault("exit")
	out = s.ctl(exitFailed, "restart")
	wants(t, out, "failed in phase ready: it exited before taking over (exit status 3)\n",
		"    config: reading app.conf\n    config: no such key: colour\n", "The old process serves on.")
	wants(t, s.ctl(exitDone, "status"), "serving", "config: no such key: colour", "v1.4.2")

	// Ctrl-C ends the wait. The restart goes on, or is called off, as was asked.
	s.setFault("hang")
	asker := s.prepare(s.command, "restart")
	waited := s.start(asker)
	s.family.Wait(1, "hanging")
	s.interrupt(asker)
	wants(t, waited(exitUnknown), "interrupted")
	s.ctl(exitDone, "cancel") // there is one to cancel
	asker = s.prepare(s.command, "restart", "--cancel-on-interrupt")
	waited = s.start(asker)
	s.family.Wait(2, "hanging")
	s.interrupt(asker)
	wants(t, waited(exitUnknown), "interrupted")

	asker = s.prepare(s.command, "restart")
	waited = s.start(asker)
	s.family.Wait(3, "hanging")
	wants(t, s.ctl(exitDone, "cancel"), "canceled")
	wants(t, waited(exitFailed), "CancelRestart was called", "The old process serves on.")
	wants(t, s.ctl(exitFailed, "cancel"), "no restart is under way")
	wants(t, s.ctl(exitFailed, "restart", "--timeout", "100ms"), "not done within 100ms")

	os.Remove(s.fault)
	s.ctl(exitDone, "restart")
	s.stop()
}

// start starts a command, and returns a function that waits for it and wants its
// exit code.
func (s *site) start(cmd *exec.Cmd) (wait func(code int) string) {
	s.t.Helper()
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	return func(code int) string {
		s.t.Helper()
		err := cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			s.t.Errorf("%q: got exit code %d (%v), want %d:\n%s", cmd.Args, got, err, code, out.String())
		}
		return out.String()
	}
}

func (s *site) interrupt(cmd *exec.Cmd) {
	s.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		s.t.Error(err)
	}
}

// Of two at once the second runs in the successor of the first.
func TestTwoAtOnce(t *testing.T) {
	s := newSite(t)
	first, second := s.start(s.prepare(s.command, "restart")), s.start(s.prepare(s.command, "restart"))
	out := first(exitDone) + second(exitDone)
	wants(t, out, "generation 1 (process ", "generation 2 (process ")
	s.family.Serving(3, 2)
	s.stop()
}

// A drain that is waited for, one that is ended by force, and what status shows of
// them.
func TestDrain(t *testing.T) {
	s := newSite(t)
	hold := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", s.first.Addr["web"])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		if line, err := bufio.NewReader(c).ReadString('\n'); line != "held\n" || err != nil {
			t.Fatalf("got %q, %v", line, err)
		}
		return c
	}
	c := hold()
	cmd := s.prepare(s.command, "restart", "--wait-drain")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	for lines.Scan() && !strings.Contains(lines.Text(), "connections left: 1") {
	}
	c.Close()
	rest := ""
	for lines.Scan() {
		rest += lines.Text()
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
	wants(t, rest, fmt.Sprintf("process %d has drained", s.first.PID))
	s.family.WaitExit(s.first.PID)

	second := s.family.Serving(2, 2)
	hold()
	s.ctl(exitDone, "restart")
	s.family.Serving(3, 2)
	var status control.Status
	if err := json.Unmarshal([]byte(s.ctl(exitDone, "status", "--json")), &status); err != nil {
		t.Fatal(err)
	}
	if len(status.Draining) != 1 || status.Draining[0].PID != second.PID || len(status.Restarts) != 2 {
		t.Errorf("got %+v", status)
	}
	wants(t, s.ctl(exitDone, "status"), "draining", "LISTENER", "127.0.0.1:", "replaced by")
	wants(t, s.ctl(exitFailed, "hammer", "7"), "generation 7 does not drain")
	s.hammer("2")
	s.family.WaitExit(second.PID)
	s.stop()
}

// hammer ends the drain of a generation. It can be asked when it has told of
// itself.
func (s *site) hammer(generation string) {
	s.t.Helper()
	proctest.Poll(s.t, "generation "+generation+" listens", func() error {
		out, err := s.prepare(s.command, "hammer", generation).CombinedOutput()
		switch {
		case err == nil:
			wants(s.t, string(out), "generation "+generation)
		case !strings.Contains(string(out), "does not listen"):
			s.t.Fatalf("%v: %s", err, out)
		}
		return err
	})
}

// Each exit code means one thing, and the words say what to do.
func TestExitCodes(t *testing.T) {
	command, err := build()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	stale := filepath.Join(dir, "stale")
	l, err := net.Listen("unix", stale)
	if err != nil {
		t.Fatal(err)
	}
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	l.Close()
	s := &site{t: t, command: command}
	for _, test := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"restart"}, exitUsage, "use --socket PATH or set RESTARTCTL_SOCKET"},
		{[]string{"--sokcet", "x"}, exitUsage, "unknown flag"},
		{[]string{"-s", "x", "restart", "now"}, exitUsage, "restartctl --help"},
		{[]string{"-s", "x", "hammer", "all"}, exitUsage, "is not the number of a generation"},
		{[]string{"reload"}, exitUsage, "unknown command"},
		{nil, exitUsage, "no command was given"},
		{[]string{"-s", filepath.Join(dir, "none"), "status"}, exitNotRunning, "no such socket"},
		{[]string{"-s", stale, "restart"}, exitNotRunning, "nobody listens"},
		{[]string{"--help"}, exitDone, "Exit codes:"},
		{[]string{"help", "restart"}, exitDone, "--wait-drain"},
		{[]string{"completion", "bash"}, exitDone, "__start_restartctl"},
		{[]string{"__complete", "re"}, exitDone, "restart\tReplace the process"},
	} {
		wants(t, s.ctl(test.code, test.args...), test.want)
	}
}

// The script in docs deploys a release, and brings the old one back if the new one
// fails.
func TestDeployScript(t *testing.T) {
	s := newSite(t)
	old, err := os.ReadFile(s.program)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := s.program+".good", s.program+".bad"
	if err := os.WriteFile(good, old, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bad, []byte("#!/bin/sh\necho no such plugin >&2\nexit 3\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	script := filepath.Join("..", "..", "docs", "deploy.sh")
	wants(t, s.result(s.prepare(script, good, s.program), exitDone), "is replaced by process")
	second := s.family.Serving(2, 2)
	wants(t, s.result(s.prepare(script, bad, s.program), exitFailed), "no such plugin", "The old process serves on.", "the file of the old release is back")
	if fi, err := os.Stat(s.program); err != nil || fi.Size() != int64(len(old)) {
		t.Errorf("got %v, %v: want the old release", fi, err)
	}
	wants(t, s.ctl(exitDone, "status"), fmt.Sprint(second.PID))
	s.stop()
}
