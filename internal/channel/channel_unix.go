//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

// Package channel is the socket over which two generations talk: a pair of Unix
// sockets, on which frames of package wire travel with descriptors beside them
// (SCM_RIGHTS, unix(7)). On Linux the kernel keeps the frames apart
// (channel_linux.go), elsewhere this package does (channel_portable.go). The build
// tag restart_portable chooses the latter on Linux too, to test it there.
package channel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// openPair opens the two ends of a channel. It takes fds.
func openPair(fds [2]int) (*Conn, *os.File, error) {
	theirs := os.NewFile(uintptr(fds[1]), "restart-channel")
	ours, err := Open(os.NewFile(uintptr(fds[0]), "restart-channel"))
	if err != nil {
		theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// openInherited opens a channel that the process was started with. It takes fd,
// unless that cannot be made non-blocking.
func openInherited(fd int) (*Conn, error) {
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, os.NewSyscallError("fcntl(O_NONBLOCK)", err)
	}
	return Open(os.NewFile(uintptr(fd), "restart-channel"))
}

// unixConn makes a connection of f. It takes f in every case.
func unixConn(f *os.File) (*net.UnixConn, error) {
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	uc, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("%T is not a Unix socket", c)
	}
	return uc, nil
}

// socketType returns the type of the socket fd, which the process has inherited.
func socketType(fd int) (int, error) {
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	switch {
	case errors.Is(err, unix.EBADF):
		return 0, fmt.Errorf("descriptor %d is not open", fd)
	case errors.Is(err, unix.ENOTSOCK):
		return 0, fmt.Errorf("descriptor %d is not a socket", fd)
	case err != nil:
		return 0, os.NewSyscallError("getsockopt(SO_TYPE)", err)
	}
	return typ, nil
}

// Send writes one frame and the descriptors that belong to it. It borrows
// them: they may be closed when it returns.
func (c *Conn) Send(t wire.Type, v any, files ...*os.File) error {
	fds := make([]int, len(files))
	for i, f := range files {
		if err := fdutil.Control(f, func(fd int) error { fds[i] = fd; return nil }); err != nil {
			return fmt.Errorf("send %v: %w", t, err)
		}
	}
	err := c.send(t, v, fds)
	runtime.KeepAlive(files) // their finalizers close them
	return err
}

// SendRaw is Send for descriptors that no os.File stands for, which takes Go's
// poller some system calls each. It takes them in every case.
func (c *Conn) SendRaw(t wire.Type, v any, fds []int) error {
	defer CloseRaw(fds)
	return c.send(t, v, fds)
}

// checkFiles refuses more descriptors than travel with one frame.
func checkFiles(t wire.Type, fds []int) error {
	if len(fds) > MaxFiles {
		return fmt.Errorf("send %v: %d descriptors, at most %d", t, len(fds), MaxFiles)
	}
	return nil
}

// Recv reads the next frame of a known type and its descriptors, which the
// caller owns and which are close-on-exec. They may be fewer than were sent:
// those for which this process has no free number are closed by the kernel, the
// last ones first. The frame is valid until the next call. io.EOF means that no
// process has the other end any more.
func (c *Conn) Recv() (wire.Frame, []*os.File, error) {
	f, fds, err := c.RecvRaw()
	return f, Files(fds), err
}

// Cut ends the channel at both ends, as the death of the process at the other
// end does (shutdown(2)): what that had sent can still be received, then io.EOF
// comes, and nothing can be sent.
func (c *Conn) Cut() {
	_ = fdutil.Control(c.uc, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) }) // it may be closed
}

// EndRecv makes Recv return io.EOF, also if some process still has the other end.
// Linux lets Recv return first what has been sent, other systems drop that. Send
// goes on.
func (c *Conn) EndRecv() {
	_ = fdutil.Control(c.uc, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RD) }) // it may be closed
}

// Waiting reports whether Recv would return at once, true if that is not known.
func (c *Conn) Waiting() bool {
	waiting := false
	_ = fdutil.Control(c.uc, func(fd int) error { // it may be closed
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		waiting = err != nil || n > 0
		return err
	})
	return waiting
}

// CloseRaw closes descriptors.
func CloseRaw(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}
