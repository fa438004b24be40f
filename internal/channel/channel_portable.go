//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && restart_portable)

package channel

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// MaxFiles bounds the descriptors that travel with one frame. OpenBSD takes 127.
const MaxFiles = 100

// bufferSize is what the kernel is asked for, so that a frame seldom has to be
// sent in pieces. The default of macOS is 8 KiB.
const bufferSize = 4 * wire.MaxFrame

// A Conn is one end of an AF_UNIX SOCK_STREAM pair, on which frames follow each
// other. The descriptors of a frame come with its first byte. Send and Recv may
// be used at the same time, Recv by one goroutine only.
type Conn struct {
	uc  *net.UnixConn
	raw syscall.RawConn // of uc

	mu   sync.Mutex // orders frames; a leaf lock
	wbuf []byte
	rest []byte // of a frame that was begun, in wbuf

	frame   *incoming
	stopped atomic.Bool // no frame is to be begun, see StopRecv
}

// Pair makes a channel: our end, and the descriptor that the other process is
// to inherit. The caller owns both.
func Pair() (*Conn, *os.File, error) {
	syscall.ForkLock.RLock() // no process may start before they are close-on-exec
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fds[0])
		unix.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		_ = unix.SetNonblock(fd, true) // cannot fail
	}
	return openPair(fds)
}

// Inherited makes close-on-exec the descriptor fd that the process was started
// with, and opens the channel behind it. It takes fd only if that is a channel:
// a wrong number must not close somebody else's file.
func Inherited(fd int) (*Conn, error) {
	typ, err := socketType(fd)
	if err != nil {
		return nil, err
	}
	addr, err := unix.Getsockname(fd)
	if err != nil {
		return nil, os.NewSyscallError("getsockname", err)
	}
	if _, local := addr.(*unix.SockaddrUnix); !local || typ != unix.SOCK_STREAM {
		return nil, fmt.Errorf("descriptor %d is a socket of type %d with a %T, not a restart channel", fd, typ, addr)
	}
	return openInherited(fd)
}

// Open makes a channel of f. It takes f in every case.
func Open(f *os.File) (*Conn, error) {
	uc, err := unixConn(f)
	if err != nil {
		return nil, err
	}
	raw, err := uc.SyscallConn()
	if err != nil {
		uc.Close()
		return nil, err
	}
	_ = uc.SetReadBuffer(bufferSize) // it is slower otherwise
	_ = uc.SetWriteBuffer(bufferSize)
	return &Conn{uc: uc, raw: raw, frame: newIncoming()}, nil
}

// Peer returns the user whose process made the pair. The platforms differ in
// whether they also tell the process, so pid is 0. Where they do not tell the user
// either, it is the one who started this process.
func (c *Conn) Peer() (pid, uid int, err error) {
	uid, err = fdutil.PeerUser(c.uc)
	if errors.Is(err, errors.ErrUnsupported) {
		return 0, os.Getuid(), nil
	}
	return 0, uid, err
}

// Sender does not tell which process sent a message: the kernel does not say so
// everywhere.
func (c *Conn) Sender() (pid int, told bool) { return 0, false }

// send writes a frame. If a deadline has cut an earlier one off, its rest comes
// first: the reader would not find the next frame.
func (c *Conn) send(t wire.Type, v any, fds []int) error {
	if err := checkFiles(t, fds); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.sendRestLocked(); err != nil {
		return fmt.Errorf("send %v: %w", t, sendError(err))
	}
	b, err := wire.Append(c.wbuf[:0], t, v)
	if err != nil {
		return err
	}
	c.wbuf = b
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	n, _, err := c.uc.WriteMsgUnix(b, oob, nil) // may write a part
	if err == nil {
		c.rest = b[n:]
		err = c.sendRestLocked()
	}
	if err != nil {
		return fmt.Errorf("send %v: %w", t, sendError(err))
	}
	return nil
}

func (c *Conn) sendRestLocked() error {
	if len(c.rest) == 0 {
		return nil
	}
	n, err := c.uc.Write(c.rest)
	c.rest = c.rest[n:]
	return err
}

// sendError names the death of the peer alike on all platforms.
func sendError(err error) error {
	if errors.Is(err, unix.ENOTCONN) {
		return os.NewSyscallError("sendmsg", unix.EPIPE)
	}
	return err
}

// RecvRaw is Recv for descriptors that are to become connections.
func (c *Conn) RecvRaw() (wire.Frame, []int, error) {
	for {
		f, fds, err := c.frame.receive(c.read, c.stopped.Load)
		if err != nil {
			return wire.Frame{}, nil, err
		}
		if f.Type.Known() {
			return f, fds, nil
		}
		CloseRaw(fds)
	}
}

// read reads into p, and the descriptors that come with it, close-on-exec. If
// StopRecv comes in the middle of a frame, it reads on.
func (c *Conn) read(p, oob []byte, begun bool) (n int, fds []int, err error) {
	for {
		n, fds, err = c.readOnce(p, oob)
		if !begun || !c.stopped.Load() || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, fds, err
		}
		if err := c.uc.SetReadDeadline(time.Time{}); err != nil {
			return 0, nil, err
		}
	}
}

func (c *Conn) readOnce(p, oob []byte) (n int, fds []int, err error) {
	rawErr := c.raw.Read(func(fd uintptr) bool {
		n, fds, err = recvmsg(int(fd), p, oob)
		return !errors.Is(err, unix.EAGAIN)
	})
	if rawErr != nil {
		return 0, nil, rawErr
	}
	return n, fds, err
}

// recvmsg is recvmsg(2) for a platform that has no MSG_CMSG_CLOEXEC.
func recvmsg(fd int, p, oob []byte) (n int, fds []int, err error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	for {
		var oobn int
		n, oobn, _, _, err = unix.Recvmsg(fd, p, oob, 0)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return 0, nil, os.NewSyscallError("recvmsg", err)
		}
		for _, fd := range rights(oob[:oobn]) {
			unix.CloseOnExec(fd)
			fds = append(fds, fd)
		}
		return n, fds, nil
	}
}

// rights returns the descriptors of a control message. What is something else
// belongs to nobody.
func rights(oob []byte) []int {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil
	}
	var fds []int
	for i := range msgs {
		if some, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, some...)
		}
	}
	return fds
}

// SetDeadline bounds Send and Recv, like [net.Conn]. It takes StopRecv back.
func (c *Conn) SetDeadline(t time.Time) error {
	c.stopped.Store(false)
	return c.uc.SetDeadline(t)
}

// StopRecv makes Recv fail from now on, with an error that is not io.EOF, but not
// in the middle of a frame: another process may have to find the next one. What
// was not received stays where it is; Send goes on.
func (c *Conn) StopRecv() {
	c.stopped.Store(true)
	_ = c.uc.SetReadDeadline(time.Unix(1, 0)) // it may be closed
}

// File returns a second descriptor for this end. The caller owns it. It is an
// error if a frame was sent or received in part, because whoever gets the
// descriptor could not find the next one.
func (c *Conn) File() (*os.File, error) {
	if !c.mu.TryLock() {
		return nil, errBegun
	}
	defer c.mu.Unlock()
	if len(c.rest) > 0 || !c.frame.between() {
		return nil, errBegun
	}
	return fdutil.Dup(c.uc)
}

var errBegun = errors.New("the channel is in the middle of a frame")

// Close closes this end.
func (c *Conn) Close() error {
	err := c.uc.Close()
	c.frame.close()
	return err
}
