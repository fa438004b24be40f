//go:build !restart_portable

package fdutil

import (
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// wantListening returns an error unless the stream socket listens.
func wantListening(fd int) error {
	accepting, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	if err != nil {
		return os.NewSyscallError("getsockopt(SO_ACCEPTCONN)", err)
	}
	if accepting == 0 {
		return errNotListening
	}
	return nil
}

// streamConns does the work of StreamConns.
//
// net.FileConn wants an os.File, and to make one for each would enter each into
// Go's poller twice, which counts when thousands of connections come at once.
// So one os.File stands for one socket after another.
func streamConns(fds []int, conns []net.Conn, errs []error) {
	// Any file will do that exists without a path and is blocking, so that
	// os.NewFile leaves it alone.
	slot, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		for i, fd := range fds {
			unix.Close(fd)
			errs[i] = os.NewSyscallError("eventfd", err)
		}
		return
	}
	f := os.NewFile(uintptr(slot), "slot")
	defer f.Close()
	for i, fd := range fds {
		err := unix.Dup3(fd, slot, unix.O_CLOEXEC)
		unix.Close(fd)
		if err != nil {
			errs[i] = os.NewSyscallError("dup3", err)
			continue
		}
		conns[i], errs[i] = streamConn(f)
	}
}

// Memory returns a file in memory that holds b and cannot be changed any more.
// The caller owns it.
func Memory(b []byte) (*os.File, error) {
	fd, err := unix.MemfdCreate("restart-state", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "memory")
	if _, err := f.WriteAt(b, 0); err != nil {
		f.Close()
		return nil, err
	}
	const seals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals); err != nil {
		f.Close()
		return nil, os.NewSyscallError("fcntl(F_ADD_SEALS)", err)
	}
	return f, nil
}
