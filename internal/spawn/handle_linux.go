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

// A Handle is a process that was started by somebody else, such as a wrapper
// script. Signals go to it, or, if it has ended, to nobody: never to another
// process that has got its PID since.
type Handle struct {
	pid   int
	pidfd *os.File // nil if the kernel has none (before Linux 5.3)
}

// Open returns a Handle of the process, which must live.
func Open(pid int) (*Handle, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err == unix.ENOSYS {
		return &Handle{pid: pid}, nil
	}
	if err != nil {
		return nil, os.NewSyscallError("pidfd_open", err)
	}
	// Go's poller waits for what is non-blocking, see AwaitEnd. PIDFD_NONBLOCK is
	// younger than pidfd_open.
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl(F_SETFL)", err)
	}
	return &Handle{pid, os.NewFile(uintptr(fd), "pidfd")}, nil
}

// Signal sends sig, unless the process has ended.
func (h *Handle) Signal(sig syscall.Signal) {
	if h.pidfd == nil {
		_ = unix.Kill(h.pid, sig)
		return
	}
	signalPidfd(h.pidfd, sig)
}

// Wait waits for the end of the process, no longer than within, and reports
// whether it came.
func (h *Handle) Wait(within time.Duration) bool {
	if h.pidfd == nil {
		return poll(func() bool { return errors.Is(unix.Kill(h.pid, 0), unix.ESRCH) }, within)
	}
	return waitPidfd(h.pidfd, within)
}

// AwaitEnd waits for the end of the process, as long as it takes, and reports
// whether it came. It reports false when Close is called, and where the kernel has
// no pidfds.
func (h *Handle) AwaitEnd() bool {
	if h.pidfd == nil {
		return false
	}
	raw, err := h.pidfd.SyscallConn()
	if err != nil {
		return false
	}
	return raw.Read(func(fd uintptr) bool {
		ended, _ := pollPidfd(int(fd), 0)
		return ended
	}) == nil
}

// Close gives up the process. It does nothing to a nil Handle.
func (h *Handle) Close() {
	if h != nil && h.pidfd != nil {
		h.pidfd.Close()
	}
}

func signalPidfd(pidfd *os.File, sig syscall.Signal) {
	_ = fdutil.Control(pidfd, func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) }) // it may have ended
}

// waitPidfd waits for the end of a process and reports whether it came.
func waitPidfd(pidfd *os.File, within time.Duration) bool {
	bound := time.Now().Add(within)
	ended := false
	_ = fdutil.Control(pidfd, func(fd int) error {
		for {
			left := max(0, time.Until(bound))
			var err error
			if ended, err = pollPidfd(fd, left); err == nil || left == 0 {
				return err
			}
			if !errors.Is(err, unix.EINTR) {
				time.Sleep(10 * time.Millisecond) // no memory
			}
		}
	})
	return ended
}

func pollPidfd(fd int, within time.Duration) (ended bool, err error) {
	fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, int(within.Milliseconds()))
	return err == nil && n > 0, err
}

// poll asks again and again whether a process has ended, for kernels without
// pidfds.
func poll(hasEnded func() bool, within time.Duration) bool {
	for bound := time.Now().Add(within); !hasEnded(); time.Sleep(10 * time.Millisecond) {
		if !time.Now().Before(bound) {
			return false
		}
	}
	return true
}
