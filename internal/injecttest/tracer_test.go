//go:build linux && amd64

package injecttest

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/proctest"
)

// An injection makes the nth call of a process fail. A zero nth makes none fail.
type injection struct {
	call  int // its number
	nth   int // from 1
	errno unix.Errno
}

// A traced process is one under a tracer, which is a process, too.
type traced struct {
	cmd   *exec.Cmd
	lines *bufio.Scanner
}

// trace puts a process, all threads of it, under a tracer, which injects. Children
// belong to it until they execute a program.
func trace(t *testing.T, pid int, inject injection) *traced {
	t.Helper()
	proctest.Use("tracer")
	cmd := exec.Command(os.Args[0], strconv.Itoa(pid), strconv.Itoa(inject.call), strconv.Itoa(inject.nth), strconv.Itoa(int(inject.errno)))
	cmd.Env = append(os.Environ(), proctest.RoleVar+"=tracer")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	tr := &traced{cmd: cmd, lines: bufio.NewScanner(out)}
	t.Cleanup(func() { tr.end() })
	if !tr.lines.Scan() || tr.lines.Text() != "traced" {
		t.Fatalf("the tracer says %q, want that it traces", tr.lines.Text())
	}
	return tr
}

// end ends the tracer, and returns how often the process made each call and what
// was made to fail, empty if nothing was. It may be called again.
func (tr *traced) end() (calls map[int]int, fired string) {
	tr.cmd.Process.Signal(syscall.SIGTERM) // it may have ended, as its process has
	calls = make(map[int]int)
	for tr.lines.Scan() {
		if what, ok := strings.CutPrefix(tr.lines.Text(), "fired "); ok {
			fired = what
			continue
		}
		var call, n int
		if _, err := fmt.Sscanf(tr.lines.Text(), "call %d %d", &call, &n); err == nil {
			calls[call] = n
		}
	}
	tr.cmd.Wait()
	return calls, fired
}

// untraceable returns why no process can be traced here, nil if one can.
func untraceable() error {
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		return err
	}
	defer func() { cmd.Process.Kill(); cmd.Wait() }()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.PtraceSeize(cmd.Process.Pid); err != nil {
		return fmt.Errorf("ptrace: %w", err)
	}
	return nil
}

// tracerRole traces the process that its arguments name until that has ended or
// SIGTERM comes.
func tracerRole() {
	var args [4]int
	for i := range args {
		n, err := strconv.Atoi(os.Args[i+1])
		if err != nil {
			panic(err)
		}
		args[i] = n
	}
	tr := &tracer{
		pid:     args[0],
		inject:  injection{args[1], args[2], unix.Errno(args[3])},
		threads: make(map[int]*thread),
		calls:   make(map[int]int),
	}
	terms := make(chan os.Signal, 1)
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		<-terms
		tr.exit()
	}()
	runtime.LockOSThread() // ptrace(2) is for one thread
	if err := tr.seize(); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("traced")
	tr.run()
	tr.exit()
}

type tracer struct {
	pid     int
	inject  injection
	threads map[int]*thread

	mu    sync.Mutex
	calls map[int]int
	fired string
}

type thread struct {
	process int
	entered bool // in a call
	fails   bool // which is to fail
	call    int
}

const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_TRACEFORK | unix.PTRACE_O_TRACEVFORK | unix.PTRACE_O_TRACEEXEC

// seize attaches to every thread, also to those that are started meanwhile.
func (tr *tracer) seize() error {
	for again := true; again; {
		again = false
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", tr.pid))
		if err != nil {
			return err
		}
		for _, e := range entries {
			tid, _ := strconv.Atoi(e.Name())
			if tr.threads[tid] != nil {
				continue
			}
			again = true
			_, _, errno := unix.Syscall6(unix.SYS_PTRACE, unix.PTRACE_SEIZE, uintptr(tid), 0, options, 0, 0)
			if errno == unix.EPERM && tracerOf(tid) == os.Getpid() || errno == unix.ESRCH {
				continue // came with one that we had, or has ended
			}
			if errno != 0 {
				return os.NewSyscallError("ptrace(PTRACE_SEIZE)", errno)
			}
			tr.threads[tid] = &thread{process: tr.pid}
			if err := unix.PtraceInterrupt(tid); err != nil && err != unix.ESRCH {
				return os.NewSyscallError("ptrace(PTRACE_INTERRUPT)", err)
			}
		}
	}
	return nil
}

// run follows the threads until there is none.
func (tr *tracer) run() {
	for {
		var status unix.WaitStatus
		tid, err := unix.Wait4(-1, &status, unix.WALL, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return
		case !status.Stopped():
			delete(tr.threads, tid)
			continue
		}
		th := tr.threads[tid]
		if th == nil {
			th = &thread{process: processOf(tid)}
			tr.threads[tid] = th
		}
		tr.stopped(tid, th, status)
	}
}

// stopped lets a thread go on that has stopped for us.
func (tr *tracer) stopped(tid int, th *thread, status unix.WaitStatus) {
	sig := int(status.StopSignal())
	switch event := int(uint32(status) >> 16); {
	case event == unix.PTRACE_EVENT_EXEC && processOf(tid) != tr.pid:
		_ = unix.PtraceDetach(tid) // it may have been killed, here and below
		delete(tr.threads, tid)
		return
	case sig == int(unix.SIGTRAP)|0x80:
		tr.atCall(tid, th)
		sig = 0
	case event != 0:
		sig = 0
	}
	if tr.done() && !th.fails {
		_ = unix.PtraceCont(tid, sig)
		return
	}
	_ = unix.PtraceSyscall(tid, sig)
}

// atCall counts a call, and makes it fail if it is the one. close(2) is carried out:
// that frees the descriptor even if it fails.
func (tr *tracer) atCall(tid int, th *thread) {
	var regs unix.PtraceRegs
	if err := unix.PtraceGetRegs(tid, &regs); err != nil {
		return
	}
	th.entered = !th.entered
	if !th.entered {
		if th.fails {
			regs.Rax = uint64(-int64(tr.inject.errno))
			_ = unix.PtraceSetRegs(tid, &regs)
			th.fails = false
			tr.fire(th.call, regs)
		}
		return
	}
	th.call = int(int64(regs.Orig_rax))
	if tr.spares(th.call, regs) {
		return
	}
	tr.mu.Lock()
	tr.calls[th.call]++
	th.fails = tr.fired == "" && th.call == tr.inject.call && tr.calls[th.call] == tr.inject.nth
	tr.mu.Unlock()
	if th.fails && th.call != unix.SYS_CLOSE {
		regs.Orig_rax = ^uint64(0)
		_ = unix.PtraceSetRegs(tid, &regs)
	}
}

// spares reports whether a call does not count: what the server says to the test,
// and what only the Go runtime does, which dies of an error: it makes threads and
// wakes itself up.
func (tr *tracer) spares(call int, regs unix.PtraceRegs) bool {
	switch call {
	case unix.SYS_CLONE:
		return regs.Rdi&unix.CLONE_THREAD != 0
	case unix.SYS_READ, unix.SYS_WRITE:
		return call == unix.SYS_WRITE && regs.Rdi == 1 || tr.file(regs.Rdi) == "anon_inode:[eventfd]"
	}
	return false
}

// file returns what a descriptor of the process is.
func (tr *tracer) file(fd uint64) string {
	to, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%d", tr.pid, fd)) // it may be one that a child has
	return to
}

// fire says what was made to fail.
func (tr *tracer) fire(call int, regs unix.PtraceRegs) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.fired = fmt.Sprintf("(%#x, %#x, %#x)", regs.Rdi, regs.Rsi, regs.Rdx)
	if slices.Contains(onDescriptors, call) {
		tr.fired = fmt.Sprintf("(%d %s, %#x, %#x)", regs.Rdi, tr.file(regs.Rdi), regs.Rsi, regs.Rdx)
	}
	if slices.Contains(onPaths, call) {
		tr.fired = fmt.Sprintf("(%q)", tr.text(uintptr(regs.Rsi)))
	}
}

// text returns the text at an address in the process.
func (tr *tracer) text(at uintptr) string {
	mem, err := os.Open(fmt.Sprintf("/proc/%d/mem", tr.pid))
	if err != nil {
		return err.Error()
	}
	defer mem.Close()
	b := make([]byte, 200)
	n, _ := mem.ReadAt(b, int64(at)) // it may end before
	text, _, _ := strings.Cut(string(b[:n]), "\x00")
	return text
}

func (tr *tracer) done() bool {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	return tr.fired != ""
}

// exit says what there was and ends this process, which lets all threads go.
func (tr *tracer) exit() {
	tr.mu.Lock()
	for call, n := range tr.calls {
		fmt.Printf("call %d %d\n", call, n)
	}
	if tr.fired != "" {
		fmt.Println("fired", tr.fired)
	}
	os.Exit(0)
}

func processOf(tid int) int { return statusOf(tid, "Tgid:") }
func tracerOf(tid int) int  { return statusOf(tid, "TracerPid:") }

func statusOf(tid int, field string) int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", tid)) // 0 if it has ended
	_, rest, _ := strings.Cut(string(b), "\n"+field)
	var n int
	fmt.Sscan(rest, &n)
	return n
}

// A tracer that makes nothing fail would let every row pass.
func TestTracer(t *testing.T) {
	if err := untraceable(); err != nil {
		t.Skipf("no system call can be made to fail here: %v", err)
	}
	for nth, want := range map[int]string{1: "failed\n", 2: "", 0: ""} {
		cmd := exec.Command("sh", "-c", "read line; cd / || echo failed")
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		tr := trace(t, cmd.Process.Pid, injection{unix.SYS_CHDIR, nth, unix.EACCES})
		in.Close()
		cmd.Wait() // its status does not matter
		calls, fired := tr.end()
		if out.String() != want || (fired != "") != (want != "") || calls[unix.SYS_CHDIR] != 1 {
			t.Errorf("call %d: got %q, fired %q, %d calls of chdir; want %q and 1", nth, out.String(), fired, calls[unix.SYS_CHDIR], want)
		}
	}
}
