//go:build linux

package migrate

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/internal/proctest"
)

// patience bounds every wait.
const patience = proctest.Patience

// Each program serves and stops, and those on this library are restarted. The
// others may lose a signal that comes as soon as they answer, so that a test of
// their restarts would fail by chance; "storm compare" restarts such programs.
func TestPrograms(t *testing.T) {
	for _, test := range []struct {
		name    string
		master  bool // the first process gets the signals, before
		ownStop bool // the program has a command "stop"
		flags   []string
	}{
		{name: "endless", ownStop: true, flags: []string{"-pid", "{dir}/pid"}},
		{name: "tableflip", flags: []string{"-pid", "{dir}/pid"}},
		{name: "grace", flags: []string{"-admin", "{admin}"}},
		{name: "overseer", master: true, flags: []string{"-data", "{dir}/data"}},
		{name: "shutdown"},
	} {
		t.Run(test.name+"/before", func(t *testing.T) {
			p := start(t, test.name+"/before", test.flags)
			p.loses, p.master = true, test.master
			p.stop(test.ownStop)
		})
		t.Run(test.name+"/after", func(t *testing.T) {
			p := start(t, test.name+"/after", test.flags)
			for range 2 {
				p.restart()
			}
			p.stop(test.ownStop)
		})
	}
}

// A program is one of the small programs, with all its processes.
type program struct {
	t      *testing.T
	cmd    *exec.Cmd
	client http.Client
	url    string
	pid    int  // of the process that answers
	loses  bool // it may lose a signal, see TestPrograms
	master bool // the first process gets the signals
}

// start builds and starts the program in dir. At the end of the test everything
// that is left of it is killed.
func start(t *testing.T, dir string, flags []string) *program {
	t.Helper()
	temp := t.TempDir()
	bin := filepath.Join(temp, "program")
	if out, err := exec.Command("go", "build", "-o", bin, "./"+dir).CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	addr := proctest.FreeAddress(t)
	args := []string{"-addr", addr}
	for _, f := range flags {
		if f == "{admin}" {
			f = proctest.FreeAddress(t)
		}
		args = append(args, strings.ReplaceAll(f, "{dir}", temp))
	}
	p := &program{t: t, cmd: exec.Command(bin, args...), url: "http://" + addr}
	p.client = http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	log, err := os.Create(filepath.Join(temp, "log"))
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
		_ = p.cmd.Wait()
		log.Close()
		if b, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("%s", b)
		}
	})
	p.await("it serves", func() bool { return p.ask() == nil })
	return p
}

// ask notes who answers.
func (p *program) ask() error {
	resp, err := p.client.Get(p.url)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if _, err := fmt.Sscanf(string(b), "pid=%d", &p.pid); err != nil {
		return fmt.Errorf("answer %q: %w", b, err)
	}
	return nil
}

// signal signals the process that is to act.
func (p *program) signal(sig syscall.Signal) {
	p.t.Helper()
	pid := p.pid
	if p.master {
		pid = p.cmd.Process.Pid
	}
	if err := syscall.Kill(pid, sig); err != nil {
		p.t.Fatal(err)
	}
}

// restart sends SIGHUP and waits until another process answers and the old one has
// ended.
func (p *program) restart() {
	p.t.Helper()
	old := p.pid
	p.signal(syscall.SIGHUP)
	p.await("another process answers", func() bool { return p.ask() == nil && p.pid != old })
	p.await("the old process ends", func() bool { return gone(old) })
}

// gone reports whether a process has ended. The first one of a program stays a
// zombie until the end of the test.
func gone(pid int) bool {
	if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
		return true
	}
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(b), ") Z ")
}

// stop stops the program by SIGTERM or by its own command, and waits until nobody
// listens and no PID file is left.
func (p *program) stop(byCommand bool) {
	p.t.Helper()
	if byCommand {
		stop := exec.Command(p.cmd.Path, append(p.cmd.Args[1:], "stop")...)
		if out, err := stop.CombinedOutput(); err != nil {
			p.t.Fatalf("%v: %v\n%s", stop, err, out)
		}
	} else {
		p.signal(syscall.SIGTERM)
	}
	p.await("nobody answers", func() bool {
		err := p.ask()
		if err == nil && p.loses && !byCommand {
			p.signal(syscall.SIGTERM)
		}
		return errors.Is(err, syscall.ECONNREFUSED)
	})
	if byCommand {
		p.await("the PID file is removed", func() bool {
			_, err := os.Stat(filepath.Join(filepath.Dir(p.cmd.Path), "pid"))
			return errors.Is(err, os.ErrNotExist)
		})
	}
}

// await polls, because these libraries have nothing to wait for.
func (p *program) await(what string, done func() bool) {
	p.t.Helper()
	proctest.Poll(p.t, what, func() error {
		if !done() {
			return errors.New("not yet")
		}
		return nil
	})
}
