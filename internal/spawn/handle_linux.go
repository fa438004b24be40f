//go:build !restart_portable

package spawn

import (
	"os"
	"syscall"

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
	return &Handle{pid, os.NewFile(uintptr(fd), "pidfd")}, nil
}

// Signal sends sig, unless the process has ended.
func (h *Handle) Signal(sig syscall.Signal) {
	if h.pidfd == nil {
		_ = unix.Kill(h.pid, sig)
		return
	}
	_ = fdutil.Control(h.pidfd, func(fd int) error { return unix.PidfdSendSignal(fd, sig, nil, 0) })
}

// Close gives up the process. It does nothing to a nil Handle.
func (h *Handle) Close() {
	if h != nil && h.pidfd != nil {
		h.pidfd.Close()
	}
}
