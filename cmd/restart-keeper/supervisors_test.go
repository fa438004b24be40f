//go:build linux && !restart_portable

package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/internal/proctest"
)

// need skips the test where a supervisor is not installed.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("not tried: %v", err)
		}
	}
}

func write(t *testing.T, path string, mode os.FileMode, text string) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(path), 0o755)
	if err == nil {
		err = os.WriteFile(path, []byte(text), mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// runTool runs a command and returns what it prints.
func runTool(t *testing.T, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), proctest.Patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		t.Logf("%s %q: %v", name, args, err) // sv and supervisorctl report states by it, too
	}
	return string(out)
}

// supervised is what is tried below a supervisor: restarts by its command, with
// one PID that it sees, a crash, and a stop that leaves nothing.
func supervised(t *testing.T, k *kept, pid func() int, restart, stop func()) {
	t.Helper()
	k.keeper = pid()
	load := k.load()
	for n := 2; n <= 4; n++ {
		restart()
		k.serves(n)
	}
	load()
	k.kill(4)
	k.ask("who")
	k.serves(5)
	if now := pid(); now != k.keeper {
		t.Errorf("the supervisor sees PID %d, want %d", now, k.keeper)
	}
	if _, parent := k.who(); parent != k.keeper {
		t.Errorf("got parent %d, want %d", parent, k.keeper)
	}
	slow := k.dial()
	slow.ask("hold")
	stopped := make(chan struct{})
	go func() { defer close(stopped); stop() }()
	k.awaitWords("stopping")
	if got := slow.ask("go on"); got != "done" {
		t.Errorf("got %q, want the request finished", got)
	}
	slow.Close()
	<-stopped
	if err := syscall.Kill(k.keeper, 0); err == nil {
		t.Error("the keeper still runs")
	}
}

// below starts a supervisor, whose program writes to a file.
func below(t *testing.T, output string, command ...string) *kept {
	t.Helper()
	k := &kept{t: t, cmd: exec.Command(command[0], command[1:]...), output: output}
	k.Family = proctest.Start(t, "keeper", k.cmd)
	t.Cleanup(func() {
		if t.Failed() {
			if k.keeper != 0 {
				_ = syscall.Kill(k.keeper, syscall.SIGKILL) // it may have ended
			}
			b, _ := os.ReadFile(output)
			t.Logf("output of the program:\n%s", b)
		}
	})
	k.findAddr()
	return k
}

// startScript writes what a supervisor starts: its own role is not the program's.
// An empty output is the supervisor's.
func startScript(t *testing.T, path, output string) {
	t.Helper()
	if output != "" {
		output = " >" + output + " 2>&1"
	}
	write(t, path, 0o755, fmt.Sprintf("#!/bin/sh\necho $$ >%s.pid\nexec env %s=keeper %s -- %s%s\n",
		path, proctest.RoleVar, executable(t), strings.Join(as(t, "server"), " "), output))
}

func TestSupervisord(t *testing.T) {
	need(t, "supervisord", "supervisorctl")
	dir := t.TempDir()
	conf := filepath.Join(dir, "supervisord.conf")
	output := filepath.Join(dir, "output")
	startScript(t, filepath.Join(dir, "app"), output)
	write(t, conf, 0o644, fmt.Sprintf(`[supervisord]
nodaemon=true
logfile=/dev/null
logfile_maxbytes=0
pidfile=%[1]s/pid
user=%[2]s
[unix_http_server]
file=%[1]s/ctl
[rpcinterface:supervisor]
supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface
[supervisorctl]
serverurl=unix://%[1]s/ctl
[program:app]
command=%[1]s/app
startsecs=0
autorestart=unexpected
stopsignal=TERM
stopwaitsecs=60
stdout_logfile=NONE
stderr_logfile=NONE
`, dir, user(t)))
	k := below(t, output, "supervisord", "-n", "-c", conf)
	ctl := func(args ...string) string {
		t.Helper()
		return runTool(t, "supervisorctl", append([]string{"-c", conf}, args...)...)
	}
	supervised(t, k, func() (pid int) {
		t.Helper()
		out := ctl("pid", "app")
		if _, err := fmt.Sscan(out, &pid); err != nil {
			t.Fatalf("supervisorctl pid: %q", out)
		}
		return pid
	}, func() { ctl("signal", "HUP", "app") }, func() { ctl("stop", "app") })
	if out := ctl("status", "app"); !strings.Contains(out, "STOPPED") {
		t.Errorf("got status %q, want STOPPED", out)
	}
	ctl("shutdown")
	k.WaitEnd()
}

func user(t *testing.T) string { t.Helper(); return strings.TrimSpace(runTool(t, "id", "-un")) }

func TestRunit(t *testing.T) {
	need(t, "runsv", "sv")
	service := filepath.Join(t.TempDir(), "app")
	output := filepath.Join(service, "output")
	startScript(t, filepath.Join(service, "run"), output)
	k := below(t, output, "runsv", service)
	sv := func(args ...string) string { t.Helper(); return runTool(t, "sv", append(args, service)...) }
	supervised(t, k, func() (pid int) {
		t.Helper()
		out := sv("status") // run: /path: (pid 123) 4s
		_, rest, _ := strings.Cut(out, "(pid ")
		if _, err := fmt.Sscanf(rest, "%d)", &pid); err != nil {
			t.Fatalf("sv status: %q", out)
		}
		return pid
	}, func() { sv("hup") }, func() { sv("-w", "30", "down") })
	if out := sv("status"); !strings.HasPrefix(out, "down:") {
		t.Errorf("got status %q, want down", out)
	}
	sv("exit")
	k.WaitEnd()
}

// A person at a terminal gets the prompt back when the last generation is gone.
func TestTerminal(t *testing.T) {
	need(t, "tmux", "bash")
	for name, press := range map[string]func(*terminal){
		"Ctrl-C once": func(s *terminal) {
			s.keys("C-c")
			awaitFile(t, s.output, 1, "is stopping")
			s.wantNoPrompt()
			if got := s.slow.ask("go on"); got != "done" {
				t.Errorf("got %q, want the request finished", got)
			}
			s.slow.Close()
		},
		"Ctrl-C twice": func(s *terminal) {
			s.keys("C-c")
			awaitFile(t, s.output, 1, "is stopping")
			s.wantNoPrompt()
			s.keys("C-c") // nobody waits for the request
		},
		"Ctrl-Z, then fg": func(s *terminal) {
			s.keys("C-z")
			awaitFile(t, s.output, 1, "Stopped")
			s.keys("echo; fg; echo $? >"+s.prompt, "Enter")
			c := s.dial()
			fmt.Fprintln(c, "who")
			if !c.lines.Scan() {
				t.Error("it does not go on")
			}
			c.Close()
			s.slow.ask("go on")
			s.slow.Close()
			s.keys("C-c")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := openTerminal(t)
			s.signal(syscall.SIGHUP)
			awaitFile(t, s.output, 1, "generation=2 ")
			awaitFile(t, s.output, 1, "replaced, draining")
			s.slow = s.dial()
			if got := s.slow.ask("hold"); got != "held" {
				t.Fatal(got)
			}
			press(s)
			awaitFile(t, s.prompt, 1, "0")
		})
	}
}

// A terminal is one with a shell in it that has started the keeper.
type terminal struct {
	kept
	slow   *client
	socket string
	prompt string // file that gets the status when the prompt is back
}

func openTerminal(t *testing.T) *terminal {
	t.Helper()
	dir := t.TempDir()
	s := &terminal{kept: kept{t: t, output: filepath.Join(dir, "output")}, socket: filepath.Join(dir, "tmux"), prompt: filepath.Join(dir, "prompt")}
	s.tmux("-f", "/dev/null", "new-session", "-d", "-x", "200", "-y", "50", "env", "-u", proctest.RoleVar, "bash", "--norc", "--noprofile", "-i")
	t.Cleanup(func() {
		if t.Failed() {
			b, _ := os.ReadFile(s.output)
			t.Logf("terminal:\n%s", b)
		}
		if s.keeper != 0 {
			_ = syscall.Kill(s.keeper, syscall.SIGKILL) // it may have ended
		}
		s.tmux("kill-server")
	})
	s.tmux("pipe-pane", "-o", "cat >"+s.output)
	startScript(t, filepath.Join(dir, "app"), "")
	s.keys(filepath.Join(dir, "app")+"; echo $? >"+s.prompt, "Enter")
	s.findAddr()
	fmt.Sscan(awaitFile(t, filepath.Join(dir, "app.pid"), 1, ""), &s.keeper)
	return s
}

func (s *terminal) tmux(args ...string) {
	s.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", s.socket}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		s.t.Errorf("tmux %q: %v: %s", args, err, out)
	}
}

func (s *terminal) keys(keys ...string) {
	s.t.Helper()
	s.tmux(append([]string{"send-keys"}, keys...)...)
}

func (s *terminal) wantNoPrompt() {
	s.t.Helper()
	if _, err := os.Stat(s.prompt); err == nil {
		s.t.Error("the prompt is back, and a generation still runs")
	}
}
