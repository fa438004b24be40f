package control

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// setMode sets the mode of a Unix socket that is not bound yet. bind(2) gives it
// to the file, less the umask, so the file never has another one.
func setMode(c syscall.RawConn) (err error) {
	controlErr := c.Control(func(fd uintptr) { err = os.NewSyscallError("fchmod", unix.Fchmod(int(fd), 0o600)) })
	if controlErr != nil {
		return controlErr
	}
	return err
}
