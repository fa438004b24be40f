package control

import (
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// checkPeer returns an error unless the process at the other end belongs to our
// user or to root.
func checkPeer(c net.Conn) error {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T does not tell who asks", c)
	}
	var peer *unix.Ucred
	err := fdutil.Control(sc, func(fd int) (err error) {
		peer, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		return os.NewSyscallError("getsockopt(SO_PEERCRED)", err)
	})
	if err != nil {
		return err
	}
	return allow(int(peer.Uid), os.Geteuid())
}

func allow(peer, owner int) error {
	if peer == owner || peer == 0 {
		return nil
	}
	return fmt.Errorf("user %d may not control this process, which belongs to user %d: ask as that user or as root", peer, owner)
}

// setMode sets the mode of a Unix socket that is not bound yet. bind(2) gives it
// to the file, less the umask, so the file never has another one.
func setMode(c syscall.RawConn) (err error) {
	controlErr := c.Control(func(fd uintptr) { err = os.NewSyscallError("fchmod", unix.Fchmod(int(fd), 0o600)) })
	if controlErr != nil {
		return controlErr
	}
	return err
}
