//go:build linux

// Package exampletest runs an example as its user would: as a process of its
// own, restarted by signals, watched through what it logs and answers.
package exampletest

import (
	"bufio"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// Patience bounds every wait. Machines that build on all cores are slow.
const Patience = 30 * time.Second

// Build builds the example in the current directory as the given version and
// returns the binary's path, which stays the same for [Replace].
func Build(t testing.TB, version string) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "server")
	build(t, bin, version)
	return bin
}

// Replace puts another version in the place of bin, as a deployment should:
// built beside it and renamed, so that bin is whole at every moment.
func Replace(t testing.TB, bin, version string) {
	t.Helper()
	build(t, bin+".new", version)
	if err := os.Rename(bin+".new", bin); err != nil {
		t.Fatal(err)
	}
}

func build(t testing.TB, path, version string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", path, "-ldflags", "-X main.version="+version, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
}

// A Program is a started example with all its generations.
type Program struct {
	t   testing.TB
	cmd *exec.Cmd

	mu      sync.Mutex
	lines   []string // of standard error, of all generations
	changed chan struct{}
}

// Start starts bin. When the test ends, what is left of it is killed.
func Start(t testing.TB, bin string, args ...string) *Program {
	t.Helper()
	stderr, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{t: t, cmd: exec.Command(bin, args...), changed: make(chan struct{})}
	p.cmd.Stderr = w
	// Successors stay in the process group of the first generation.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.cmd.Start()
	w.Close()
	if err != nil {
		stderr.Close()
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for s := bufio.NewScanner(stderr); s.Scan(); {
			p.add(s.Text())
		}
	}()
	t.Cleanup(func() {
		_ = unix.Kill(-p.cmd.Process.Pid, unix.SIGKILL) // mostly nobody is left
		_ = p.cmd.Wait()
		<-read // ends when the last generation is gone
		stderr.Close()
		if t.Failed() {
			t.Logf("%s logged:\n%s", bin, strings.Join(p.lines, "\n"))
		}
	})
	return p
}

func (p *Program) add(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lines = append(p.lines, line)
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait calls done with what was logged so far, again at each new line, until
// it is satisfied.
func (p *Program) wait(what string, done func(lines []string) bool) {
	p.t.Helper()
	bound := time.NewTimer(Patience)
	defer bound.Stop()
	for {
		p.mu.Lock()
		lines, changed := p.lines, p.changed
		p.mu.Unlock()
		if done(lines) {
			return
		}
		select {
		case <-changed:
		case <-bound.C:
			p.t.Fatalf("not logged within %v: %s", Patience, what)
		}
	}
}

// Logged waits for a line that has all the parts and returns it.
func (p *Program) Logged(parts ...string) string {
	p.t.Helper()
	var found string
	p.wait(strings.Join(parts, " … "), func(lines []string) bool {
		for _, line := range lines {
			if containsAll(line, parts) {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

func containsAll(s string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(s, part) {
			return false
		}
	}
	return true
}

// A Generation is one process of a program.
type Generation struct {
	PID  int
	Addr map[string]string // where each listener is bound
}

var attr = regexp.MustCompile(`(\w+)=("[^"]*"|\S+)`)

// Serving waits until the generation, counted from 1, serves n listeners.
func (p *Program) Serving(generation, n int) Generation {
	p.t.Helper()
	var g Generation
	p.wait("generation "+strconv.Itoa(generation)+" serves", func(lines []string) bool {
		g = Generation{Addr: make(map[string]string)}
		for _, line := range lines {
			if !strings.Contains(line, "restart: serving generation=") {
				continue
			}
			attrs := make(map[string]string)
			for _, m := range attr.FindAllStringSubmatch(line, -1) {
				attrs[m[1]] = strings.Trim(m[2], `"`)
			}
			if attrs["generation"] == strconv.Itoa(generation) {
				g.PID, _ = strconv.Atoi(attrs["pid"]) // checked by its users: 0 is never right
				g.Addr[attrs["listener"]] = attrs["address"]
			}
		}
		return len(g.Addr) == n
	})
	if g.PID == 0 {
		p.t.Fatalf("generation %d logged no pid", generation)
	}
	return g
}

// Signal sends sig to one process of the program.
func (p *Program) Signal(pid int, sig syscall.Signal) {
	p.t.Helper()
	if err := unix.Kill(pid, sig); err != nil {
		p.t.Fatalf("signal %v to process %d: %v", sig, pid, err)
	}
}

// Gone waits until a process of the program has ended, whoever its parent is.
func (p *Program) Gone(pid int) {
	p.t.Helper()
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return
	}
	if err != nil {
		p.t.Fatal(err)
	}
	defer unix.Close(fd)
	for bound := time.Now().Add(Patience); time.Now().Before(bound); {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(time.Until(bound).Milliseconds()))
		if err != nil && !errors.Is(err, unix.EINTR) {
			p.t.Fatal(err)
		}
		if n > 0 {
			return
		}
	}
	p.t.Fatalf("process %d still lives after %v", pid, Patience)
}

// Exit waits for the end of the first generation and checks that it was in
// good order. Later ones are not our children: see [Program.Gone].
func (p *Program) Exit() {
	p.t.Helper()
	p.Gone(p.cmd.Process.Pid)
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("the first process ended with %v", err)
	}
}
