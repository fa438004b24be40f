//go:build linux

package proctest

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A Family is a process in a role and all that follow it: they share its
// standard output, on which each announces itself by a line "start pid=N".
type Family struct {
	t      testing.TB
	cmd    *exec.Cmd
	out    *os.File // the read end of the standard output
	stderr lockedBuffer

	mu      sync.Mutex
	lines   []string
	changed chan struct{}
	pids    []int
	pidfds  map[int]int
	closed  bool // no process has the output any more
	ended   chan struct{}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// Start starts cmd in a role. The family must have ended when the test ends:
// what is left fails it, and is made to show its stacks and killed.
func Start(t testing.TB, role string, cmd *exec.Cmd) *Family {
	t.Helper()
	Use(role)
	f := &Family{t: t, cmd: cmd, changed: make(chan struct{}), pidfds: make(map[int]int), ended: make(chan struct{})}
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	// By default the race detector waits for a second at the end of a process.
	cmd.Env = append(cmd.Env, RoleVar+"="+role, "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	out, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	errOut, errWrite, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = write, errWrite
	err = cmd.Start()
	write.Close()
	errWrite.Close()
	if err != nil {
		out.Close()
		errOut.Close()
		t.Fatal(err)
	}
	f.out = out
	var readers sync.WaitGroup
	readers.Go(f.read)
	readers.Go(func() { defer errOut.Close(); io.Copy(&f.stderr, errOut) })
	go func() {
		readers.Wait()
		close(f.ended)
	}()
	t.Cleanup(f.finish)
	return f
}

// PID is that of the first process.
func (f *Family) PID() int { return f.cmd.Process.Pid }

func (f *Family) read() {
	defer f.out.Close()
	r := bufio.NewScanner(f.out)
	r.Buffer(nil, 1<<20)
	for r.Scan() {
		f.line(r.Text())
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	close(f.changed)
	f.changed = make(chan struct{})
}

func (f *Family) line(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.lines = append(f.lines, line)
	var pid int
	if n, _ := fmt.Sscanf(line, "start pid=%d", &pid); n == 1 {
		f.pids = append(f.pids, pid)
		// It still lives or has not been reaped: the number is its own.
		if fd, err := unix.PidfdOpen(pid, 0); err == nil {
			f.pidfds[pid] = fd
		}
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// Wait returns the nth line, from 1, that holds all the words.
func (f *Family) Wait(n int, words ...string) string {
	f.t.Helper()
	bound := time.After(Patience)
	for {
		f.mu.Lock()
		changed, closed := f.changed, f.closed
		matches := f.matchesLocked(words)
		f.mu.Unlock()
		if len(matches) >= n {
			return matches[n-1]
		}
		if closed {
			f.t.Fatalf("all processes have ended after %d of %d lines with %q", len(matches), n, words)
		}
		select {
		case <-changed:
		case <-bound:
			f.t.Fatalf("%d of %d lines with %q", len(matches), n, words)
		}
	}
}

// Count returns how many lines hold all the words.
func (f *Family) Count(words ...string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.matchesLocked(words))
}

func (f *Family) matchesLocked(words []string) []string {
	return slices.DeleteFunc(slices.Clone(f.lines), func(line string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return !strings.Contains(line, w) })
	})
}

// CatchUp waits until what the processes have written to their standard output so far
// has been read: a pipe keeps the order, so a line of our own comes after it.
func (f *Family) CatchUp() {
	f.t.Helper()
	raw, err := f.out.SyscallConn()
	if err != nil {
		f.t.Fatal(err)
	}
	const mark = "proctest: caught up"
	n := f.Count(mark) + 1
	var writeErr error
	err = raw.Control(func(fd uintptr) {
		var w *os.File
		if w, writeErr = os.OpenFile(fmt.Sprintf("/proc/self/fd/%d", fd), os.O_WRONLY, 0); writeErr == nil {
			_, writeErr = fmt.Fprintf(w, "\n%s\n", mark) // a process may have died within a line
			w.Close()
		}
	})
	if err != nil {
		return // it is closed: all has been read
	}
	if writeErr != nil {
		f.t.Fatal(writeErr)
	}
	Poll(f.t, "the output is read", func() error {
		f.mu.Lock()
		defer f.mu.Unlock()
		if !f.closed && len(f.matchesLocked([]string{mark})) < n {
			return errors.New("it is not yet")
		}
		return nil
	})
}

// Lines returns the lines so far.
func (f *Family) Lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.lines)
}

// PIDs returns all processes so far, in the order of their announcement.
func (f *Family) PIDs() []int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.pids)
}

// Stderr returns what the family wrote to its standard error so far.
func (f *Family) Stderr() string { return f.stderr.String() }

// Signal sends sig to one of the processes.
func (f *Family) Signal(pid int, sig syscall.Signal) {
	f.t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	fd, ok := f.pidfds[pid]
	if !ok {
		f.t.Fatalf("process %d is none of this family", pid)
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil {
		f.t.Errorf("signal %v to %d: %v", sig, pid, err)
	}
}

// WaitExit waits until a process has ended.
func (f *Family) WaitExit(pid int) {
	f.t.Helper()
	f.mu.Lock()
	fd, ok := f.pidfds[pid]
	f.mu.Unlock()
	if ok && !exited(fd, Patience) {
		f.t.Fatalf("process %d does not end", pid)
	}
}

// Ended reports whether a process has ended.
func (f *Family) Ended(pid int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	fd, ok := f.pidfds[pid]
	return !ok || exited(fd, 0)
}

// WaitEnd waits until no process of the family is left.
func (f *Family) WaitEnd() {
	f.t.Helper()
	select {
	case <-f.ended:
	case <-time.After(Patience):
		f.t.Fatal("the family does not end")
	}
}

func exited(pidfd int, within time.Duration) bool {
	bound := time.Now().Add(within)
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}, int(max(0, time.Until(bound).Milliseconds())))
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}

// finish ends what the test has left, and reaps.
func (f *Family) finish() {
	select {
	case <-f.ended:
	default:
		if !f.t.Failed() {
			f.t.Error("processes are left at the end of the test")
		}
	}
	for _, sig := range []syscall.Signal{syscall.SIGQUIT, syscall.SIGKILL} {
		f.mu.Lock()
		for _, fd := range f.pidfds {
			_ = unix.PidfdSendSignal(fd, sig, nil, 0) // it may have ended
		}
		f.mu.Unlock()
		select {
		case <-f.ended:
		case <-time.After(5 * time.Second):
			if len(f.pidfds) == 0 || sig == syscall.SIGKILL {
				_ = f.cmd.Process.Kill()
			}
		}
	}
	f.cmd.Wait()
	f.mu.Lock()
	for pid, fd := range f.pidfds {
		if exited(fd, 5*time.Second) && pid != f.cmd.Process.Pid {
			var status unix.WaitStatus
			_, _ = unix.Wait4(pid, &status, unix.WNOHANG, nil) // its parent may have
		}
		unix.Close(fd)
	}
	f.pidfds = nil
	lines := strings.Join(f.lines, "\n")
	f.mu.Unlock()
	if f.t.Failed() {
		f.t.Logf("output:\n%s\nerror output:\n%s", lines, f.stderr.String())
	}
}
