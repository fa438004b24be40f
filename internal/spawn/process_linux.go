//go:build !restart_portable

package spawn

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// A child is a process that this one has started.
type child struct {
	pid    int
	parent Parent
	pidfd  *os.File // nil if the kernel has none (before Linux 5.3)
}

func startChild(path string, args []string, parent Parent, attr syscall.ProcAttr) (child, error) {
	pidfd := -1
	attr.Sys = &syscall.SysProcAttr{PidFD: &pidfd}
	if parent == OurParent {
		attr.Sys.Cloneflags = unix.CLONE_PARENT
	}
	pid, err := syscall.ForkExec(path, args, &attr)
	if err != nil {
		return child{}, err
	}
	c := child{pid: pid, parent: parent}
	if pidfd >= 0 {
		c.pidfd = os.NewFile(uintptr(pidfd), "pidfd")
	}
	return c, nil
}

func (c *child) PID() int { return c.pid }

func (c *child) Signal(sig syscall.Signal) {
	if c.pidfd != nil {
		signalPidfd(c.pidfd, sig)
	} else if !c.hasEnded() {
		_ = unix.Kill(c.pid, sig) // it may be gone
	}
}

func (c *child) Wait(within time.Duration) bool {
	if c.pidfd == nil {
		return poll(c.hasEnded, within)
	}
	return waitPidfd(c.pidfd, within)
}

// hasEnded asks the kernel without a pidfd, and leaves a child to be reaped.
func (c *child) hasEnded() bool {
	if c.parent != Us {
		return errors.Is(unix.Kill(c.pid, 0), unix.ESRCH)
	}
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, c.pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err != nil || info.Signo != 0
}

// exit reaps the process and returns how it ended, if it has and is our child.
func (c *child) exit() string {
	if c.parent != Us || !c.Wait(0) {
		return ""
	}
	return reap(c.pid)
}

func (c *child) release() {
	if c.pidfd != nil {
		c.pidfd.Close()
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

// pipe makes a pipe of blocking descriptors.
func pipe() (read, write int, err error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, -1, os.NewSyscallError("pipe2", err)
	}
	return fds[0], fds[1], nil
}

// dupOver makes the descriptor fd another name of f. It borrows f.
func dupOver(f *os.File, fd int) error {
	return fdutil.Control(f, func(from int) error {
		return os.NewSyscallError("dup3", unix.Dup3(from, fd, 0))
	})
}
