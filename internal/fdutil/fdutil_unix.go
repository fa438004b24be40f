//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

// Package fdutil handles file descriptors without ever changing the open file
// behind them.
//
// [os.File.Fd], [os/exec.Cmd.ExtraFiles] and [os.StartProcess] may switch it
// to blocking mode. That flag is shared by every process that holds the
// socket, and in one that uses Go's poller Accept and Close then hang
// (golang/go#29277). So descriptors are reached only through
// [syscall.RawConn.Control] here.
//
// Each function says whether it takes, keeps or borrows a descriptor.
package fdutil

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Control calls f with the descriptor of c, which stays open for the length
// of the call. It borrows c.
func Control(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// Dup returns a second descriptor for the open file behind c, close-on-exec
// and as blocking or non-blocking as it was. It borrows c; the caller owns the
// result.
func Dup(c syscall.Conn) (*os.File, error) {
	dup, err := DupRaw(c)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(dup), "dup"), nil
}

// DupRaw is Dup for a caller who only passes the descriptor on.
func DupRaw(c syscall.Conn) (dup int, err error) {
	err = Control(c, func(fd int) (err error) {
		dup, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl(F_DUPFD_CLOEXEC)", err)
	})
	return dup, err
}

// NonBlocking reports whether the open file behind c is in non-blocking mode.
// It borrows c.
func NonBlocking(c syscall.Conn) (bool, error) {
	var flags int
	err := Control(c, func(fd int) (err error) {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		return err
	})
	return flags&unix.O_NONBLOCK != 0, err
}

// Listener makes a net.Listener of f, which must be a listening stream socket.
// It takes f in every case.
func Listener(f *os.File) (net.Listener, error) {
	defer f.Close()
	err := Control(f, func(fd int) error {
		if err := wantType(fd, unix.SOCK_STREAM); err != nil {
			return err
		}
		return wantListening(fd)
	})
	if err != nil {
		return nil, err
	}
	ln, err := net.FileListener(f)
	if err != nil {
		return nil, err
	}
	if u, ok := ln.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	return ln, nil
}

// PacketConn makes a net.PacketConn of f, which must be a datagram socket. It
// takes f in every case.
func PacketConn(f *os.File) (net.PacketConn, error) {
	defer f.Close()
	err := Control(f, func(fd int) error { return wantType(fd, unix.SOCK_DGRAM) })
	if err != nil {
		return nil, err
	}
	return net.FilePacketConn(f)
}

// StreamConns makes a net.Conn of each of fds, which must be connected stream
// sockets; where that fails the error stands at the same index. Their options stay
// as they are. It takes fds in every case.
func StreamConns(fds []int) ([]net.Conn, []error) {
	conns, errs := make([]net.Conn, len(fds)), make([]error, len(fds))
	// Nearly all of it is system calls, ten for each: a large batch is shared.
	workers := min(max(len(fds)/fewestForOne, 1), runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for w := range workers {
		from, to := w*len(fds)/workers, (w+1)*len(fds)/workers
		wg.Go(func() { streamConns(fds[from:to], conns[from:to], errs[from:to]) })
	}
	wg.Wait()
	return conns, errs
}

// fewestForOne is how many connections are worth a goroutine of their own.
const fewestForOne = 32

var (
	errNotListening = errors.New("the socket does not listen")
	errPeerGone     = errors.New("the peer has closed the connection")
)

// streamConn makes a net.Conn of f and borrows it. It asks nothing that
// net.FileConn asks as well.
func streamConn(f *os.File) (net.Conn, error) {
	options := optionsOf(f)
	c, err := net.FileConn(f)
	if err != nil {
		return nil, err
	}
	options.restore(f)
	switch network := c.LocalAddr().Network(); network {
	case "tcp", "unix":
	default:
		c.Close()
		return nil, fmt.Errorf("a %s socket, not a connected stream", network)
	}
	if c.RemoteAddr() == nil {
		// getpeername(2) fails once the peer has reset the connection. Programs
		// call RemoteAddr().String() without asking.
		c.Close()
		return nil, errPeerGone
	}
	return c, nil
}

// wantType also makes sure that the socket is non-blocking: whoever made it,
// Go's poller needs that.
func wantType(fd, want int) error {
	typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if errors.Is(err, unix.ENOTSOCK) {
		return errors.New("not a socket")
	}
	if err != nil {
		return os.NewSyscallError("getsockopt(SO_TYPE)", err)
	}
	if typ != want {
		return fmt.Errorf("socket of type %d, want %d", typ, want)
	}
	return os.NewSyscallError("fcntl(O_NONBLOCK)", unix.SetNonblock(fd, true))
}

// AtEOF reports whether the pipe whose read end r is, and to which nobody
// writes, has lost its last writer. It borrows r and does not block.
func AtEOF(r *os.File) bool {
	n, err := poll(r)
	return err != nil || n > 0
}

// Readable reports whether a read from c, or an accept, would find something at
// once. It borrows c.
func Readable(c syscall.Conn) bool {
	n, err := poll(c)
	return err == nil && n > 0
}

func poll(c syscall.Conn) (n int, err error) {
	err = Control(c, func(fd int) (err error) {
		p := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err = unix.Poll(p, 0)
		for errors.Is(err, unix.EINTR) {
			n, err = unix.Poll(p, 0)
		}
		return err
	})
	return n, err
}

// ReadMemory returns the size bytes that f, made by Memory, holds. It borrows
// f.
func ReadMemory(f *os.File, size int64) ([]byte, error) {
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() || fi.Size() != size {
		return nil, fmt.Errorf("a file of mode %v and %d bytes, want %d bytes of memory", fi.Mode(), fi.Size(), size)
	}
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	return b, err
}

// CheckPipe returns an error if f is not a pipe. It borrows f.
func CheckPipe(f *os.File) error {
	fi, err := f.Stat()
	if err == nil && fi.Mode()&os.ModeNamedPipe == 0 {
		err = fmt.Errorf("a file of mode %v, not a pipe", fi.Mode())
	}
	return err
}

// FileID returns what tells a file from another one at the same path.
func FileID(fi os.FileInfo) (dev, ino uint64) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), uint64(st.Ino)
	}
	return 0, 0
}

// Scarce reports whether a process that has just been given the descriptor of c
// has fewer than reserve left: the kernel gives out the lowest number that is
// free. Of a low limit at most a quarter is reserved. It borrows c.
func Scarce(c syscall.Conn, reserve int) bool {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		return false
	}
	current, free := uint64(limit.Cur), uint64(0) // FreeBSD's is signed
	err := Control(c, func(fd int) error {
		if n := uint64(fd) + 1; n < current {
			free = current - n
		}
		return nil
	})
	return err == nil && free < min(uint64(reserve), current/4)
}
