//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && restart_portable)

package fdutil

import (
	"errors"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// wantListening returns an error unless the stream socket listens. A kernel that
// does not know SO_ACCEPTCONN for getsockopt(2), as macOS before version 11 does
// not, at least says whether the socket is connected.
func wantListening(fd int) error {
	accepting, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if errors.Is(err, unix.ENOPROTOOPT) {
		if _, err := unix.Getpeername(fd); err == nil {
			return errNotListening
		}
		return nil
	}
	if err != nil {
		return os.NewSyscallError("getsockopt(SO_ACCEPTCONN)", err)
	}
	if accepting == 0 {
		return errNotListening
	}
	return nil
}

// streamConns does the work of StreamConns.
func streamConns(fds []int, conns []net.Conn, errs []error) {
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "received")
		conns[i], errs[i] = streamConn(f)
		f.Close()
	}
}

// Memory returns a file that holds b and has no name any more: the kernel frees
// it with its last descriptor. It is on a disk, unless the directory for
// temporary files is in memory. The caller owns it.
func Memory(b []byte) (*os.File, error) {
	f, err := os.CreateTemp("", "restart-state-") // of mode 0600
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, err
	}
	if _, err := f.WriteAt(b, 0); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
