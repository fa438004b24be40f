//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && restart_portable)

package spawn

import (
	"errors"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// A child is a process that this one has started. A goroutine waits for its end,
// so none is left as a zombie.
type child struct {
	process *os.Process
	ended   chan struct{} // closed when it has ended
	status  *string       // how; set before ended
}

func startChild(path string, args []string, parent Parent, attr syscall.ProcAttr) (child, error) {
	if parent != Us {
		return child{}, errors.ErrUnsupported
	}
	pid, err := syscall.ForkExec(path, args, &attr)
	if err != nil {
		return child{}, err
	}
	c := child{ended: make(chan struct{}), status: new(string)}
	if c.process, err = os.FindProcess(pid); err != nil {
		return child{}, err // never on Unix
	}
	go func() {
		defer close(c.ended)
		if st, err := c.process.Wait(); err == nil {
			*c.status = st.String()
		}
	}()
	return c, nil
}

func (c *child) PID() int { return c.process.Pid }

// Signal leaves a process alone that has got the PID after the end of the child:
// os.Process knows when it has waited.
func (c *child) Signal(sig syscall.Signal) { _ = c.process.Signal(sig) }

func (c *child) Wait(within time.Duration) bool {
	select {
	case <-c.ended:
		return true
	default:
	}
	bound := time.NewTimer(within)
	defer bound.Stop()
	select {
	case <-c.ended:
		return true
	case <-bound.C:
		return false
	}
}

// exit returns how the process ended, if it has.
func (c *child) exit() string {
	if !c.Wait(0) {
		return ""
	}
	return *c.status
}

func (c *child) release() {}

// pipe makes a pipe of blocking descriptors.
func pipe() (read, write int, err error) {
	syscall.ForkLock.RLock() // no process may start before they are close-on-exec
	defer syscall.ForkLock.RUnlock()
	var fds [2]int
	if err := unix.Pipe(fds[:]); err != nil {
		return -1, -1, os.NewSyscallError("pipe", err)
	}
	unix.CloseOnExec(fds[0])
	unix.CloseOnExec(fds[1])
	return fds[0], fds[1], nil
}

// dupOver makes the descriptor fd another name of f. It borrows f.
func dupOver(f *os.File, fd int) error {
	return fdutil.Control(f, func(from int) error {
		return os.NewSyscallError("dup2", unix.Dup2(from, fd))
	})
}
