package spawn

import (
	"errors"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// Supported reports whether this platform can start a successor.
const Supported = true

type unixProcess struct {
	pid    int
	parent Parent
	pidfd  *os.File // nil if the kernel has none (before Linux 5.3)

	// Our standard error, and the read end of the pipe that the process has
	// instead; both nil if it has ours.
	realStderr, pipe *os.File

	copied   chan struct{} // closed when nothing is copied from pipe any more
	released sync.Once
	status   string
}

// Start starts cmd with its end of a channel, which Start borrows, as the child
// of parent. It is the one place where processes are made. Until StopStderr or
// Release is called, what the process writes to its standard error is copied to
// ours, and its end is kept in tail.
func Start(cmd Command, parent Parent, channel *os.File, tail *Tail, greet Greeting) (Process, error) {
	p := &unixProcess{parent: parent, copied: make(chan struct{})}
	write, err := p.pipeStderr()
	if err != nil {
		return nil, err
	}
	if err = greet(p.realStderr, p.pipe); err == nil {
		err = p.fork(cmd, channel, write)
	}
	if write != nil {
		write.Close()
	}
	if err != nil {
		close(p.copied)
		p.closeFiles()
		return nil, err
	}
	go func() {
		defer close(p.copied)
		if p.pipe != nil {
			tail.copy(os.Stderr, p.pipe)
		}
	}()
	return p, nil
}

// fork forks and executes. Only descriptors 0 to 3 go along, by number and
// without touching the open files behind them: never os.StartProcess or
// exec.Cmd, see package fdutil.
func (p *unixProcess) fork(cmd Command, channel, stderr *os.File) error {
	return fdutil.Control(channel, func(ch int) error {
		run := func(fd2 int) error {
			pidfd := -1
			attr := &syscall.ProcAttr{
				Dir:   cmd.Dir,
				Env:   append(cmd.Env, ChannelVar+"="+strconv.Itoa(3)),
				Files: []uintptr{0, 1, uintptr(fd2), uintptr(ch)},
				Sys:   &syscall.SysProcAttr{PidFD: &pidfd},
			}
			if p.parent == OurParent {
				attr.Sys.Cloneflags = unix.CLONE_PARENT
			}
			pid, err := syscall.ForkExec(cmd.Path, cmd.Args, attr)
			if err != nil {
				return err
			}
			p.pid = pid
			if pidfd >= 0 {
				p.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
			}
			return nil
		}
		if stderr == nil {
			return run(2)
		}
		return fdutil.Control(stderr, run)
	})
}

// pipeStderr makes the pipe that stands in for standard error and returns its
// write end. A terminal is left alone: programs look whether they have one,
// and whoever sits there sees the words anyway.
func (p *unixProcess) pipeStderr() (write *os.File, err error) {
	if _, err := unix.IoctlGetTermios(2, unix.TCGETS); err == nil {
		return nil, nil
	}
	if p.realStderr, err = dupRaw(2); err != nil {
		return nil, err
	}
	var fds [2]int
	// Not os.Pipe: the write end must stay blocking, or a long panic would be
	// cut short.
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		p.closeFiles()
		return nil, os.NewSyscallError("pipe2", err)
	}
	_ = unix.SetNonblock(fds[0], true) // cannot fail; makes its reads end by a deadline
	p.pipe = os.NewFile(uintptr(fds[0]), "stderr")
	return os.NewFile(uintptr(fds[1]), "stderr"), nil
}

func dupRaw(fd int) (*os.File, error) {
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
	}
	return os.NewFile(uintptr(dup), "dup"), nil
}

// dupOver makes the descriptor fd another name of f. It borrows f.
func dupOver(f *os.File, fd int) error {
	return fdutil.Control(f, func(from int) error {
		return os.NewSyscallError("dup3", unix.Dup3(from, fd, 0))
	})
}

func (p *unixProcess) PID() int { return p.pid }

func (p *unixProcess) Signal(sig syscall.Signal) {
	if p.pidfd == nil {
		_ = unix.Kill(p.pid, sig) // it may be gone
		return
	}
	_ = fdutil.Control(p.pidfd, func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) })
}

func (p *unixProcess) Wait(within time.Duration) bool {
	bound := time.Now().Add(within)
	if p.pidfd == nil {
		for !p.hasEnded() {
			if !time.Now().Before(bound) {
				return false
			}
			time.Sleep(10 * time.Millisecond)
		}
		return true
	}
	ended := false
	_ = fdutil.Control(p.pidfd, func(fd int) error {
		for {
			fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
			n, err := unix.Poll(fds, int(max(0, time.Until(bound)).Milliseconds()))
			if errors.Is(err, unix.EINTR) {
				continue
			}
			ended = err == nil && n > 0
			return err
		}
	})
	return ended
}

// hasEnded asks the kernel without a pidfd, and leaves a child to be reaped.
func (p *unixProcess) hasEnded() bool {
	if p.parent != Us {
		return errors.Is(unix.Kill(p.pid, 0), unix.ESRCH)
	}
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}

// StopStderr reads what is in the pipe, and no further: children of the process
// may hold its write end.
func (p *unixProcess) StopStderr() {
	if p.pipe != nil {
		p.pipe.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	}
	<-p.copied
}

func (p *unixProcess) Release() string {
	p.released.Do(func() {
		p.StopStderr()
		if p.parent == Us && p.Wait(0) {
			p.status = reap(p.pid)
		}
		p.closeFiles()
	})
	return p.status
}

func (p *unixProcess) closeFiles() {
	for _, f := range []*os.File{p.pidfd, p.realStderr, p.pipe} {
		if f != nil {
			f.Close()
		}
	}
}

// reap waits for a child that has ended.
func reap(pid int) string {
	p, err := os.FindProcess(pid)
	if err != nil {
		return ""
	}
	st, err := p.Wait()
	if err != nil {
		return ""
	}
	return st.String()
}
