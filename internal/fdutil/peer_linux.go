package fdutil

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// PeerUser returns the user whose process is at the other end of the Unix socket
// c, which it borrows. The error matches errors.ErrUnsupported if the platform
// does not say so.
func PeerUser(c syscall.Conn) (uid int, err error) {
	err = Control(c, func(fd int) error {
		cred, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err != nil {
			return os.NewSyscallError("getsockopt(SO_PEERCRED)", err)
		}
		uid = int(cred.Uid)
		return nil
	})
	return uid, err
}
