//go:build !restart_portable

package channel

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// MaxFiles bounds the descriptors that travel with one frame.
const MaxFiles = wire.MaxFiles

// A Conn is one end of an AF_UNIX SOCK_SEQPACKET pair, with one packet for each
// frame. Send and Recv may be used at the same time, Recv by one goroutine only.
type Conn struct {
	uc *net.UnixConn

	mu   sync.Mutex // orders packets; a leaf lock
	wbuf []byte

	rbuf, oob []byte
	sender    int // of the last message
}

// Pair makes a channel: our end, and the descriptor that the other process is
// to inherit. The caller owns both.
func Pair() (*Conn, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
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
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil {
		return nil, os.NewSyscallError("getsockopt(SO_DOMAIN)", err)
	}
	if domain != unix.AF_UNIX || typ != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d is a socket of domain %d and type %d, not a restart channel", fd, domain, typ)
	}
	return openInherited(fd)
}

// Open makes a channel of f. It takes f in every case.
func Open(f *os.File) (*Conn, error) {
	uc, err := unixConn(f)
	if err != nil {
		return nil, err
	}
	err = fdutil.Control(uc, func(fd int) error {
		return os.NewSyscallError("setsockopt(SO_PASSCRED)", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_PASSCRED, 1))
	})
	if err != nil {
		uc.Close()
		return nil, err
	}
	return &Conn{
		uc:   uc,
		rbuf: make([]byte, wire.MaxFrame),
		oob:  make([]byte, unix.CmsgSpace(4*(wire.MaxFiles+3))+unix.CmsgSpace(unix.SizeofUcred)),
	}, nil
}

// Peer returns the process that made the pair, as the kernel remembers it
// (SO_PEERCRED).
func (c *Conn) Peer() (pid, uid int, err error) {
	var cred *unix.Ucred
	err = fdutil.Control(c.uc, func(fd int) (err error) {
		cred, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		return os.NewSyscallError("getsockopt(SO_PEERCRED)", err)
	})
	if err != nil {
		return 0, 0, err
	}
	return int(cred.Pid), int(cred.Uid), nil
}

// Sender returns the process that sent the message which Recv returned last, as
// the kernel says (SCM_CREDENTIALS, unix(7)): 0 if it is in none of our PID
// namespaces. Only root can name another process than itself. Call it from the
// goroutine that calls Recv. Told is false on platforms whose kernel does not say.
func (c *Conn) Sender() (pid int, told bool) { return c.sender, true }

func (c *Conn) send(t wire.Type, v any, fds []int) error {
	if err := checkFiles(t, fds); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	b, err := wire.Append(c.wbuf[:0], t, v)
	if err != nil {
		return err
	}
	c.wbuf = b
	var oob []byte
	if len(fds) > 0 {
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := c.uc.WriteMsgUnix(b, oob, nil); err != nil {
		return fmt.Errorf("send %v: %w", t, err)
	}
	return nil
}

// RecvRaw is Recv for descriptors that are to become connections.
func (c *Conn) RecvRaw() (wire.Frame, []int, error) {
	for {
		n, oobn, flags, _, err := c.readMsg()
		if err != nil {
			fds, _, _ := parseControl(c.oob[:oobn])
			CloseRaw(fds)
			return wire.Frame{}, nil, err
		}
		fds, sender, err := parseControl(c.oob[:oobn])
		c.sender = sender
		if err == nil && flags&unix.MSG_TRUNC != 0 {
			err = errors.New("frame cut off by the kernel")
		}
		var f wire.Frame
		if err == nil {
			f, err = wire.Parse(c.rbuf[:n])
		}
		if err != nil {
			CloseRaw(fds)
			return wire.Frame{}, nil, err
		}
		if f.Type.Known() {
			return f, fds, nil
		}
		CloseRaw(fds)
	}
}

// readMsg reads one packet. A peer that died with packets of ours unread shows
// as ECONNRESET, once, before the packets that it had sent; they are still to
// be had.
func (c *Conn) readMsg() (n, oobn, flags int, _ *net.UnixAddr, err error) {
	n, oobn, flags, addr, err := c.uc.ReadMsgUnix(c.rbuf, c.oob)
	if errors.Is(err, unix.ECONNRESET) {
		n, oobn, flags, addr, err = c.uc.ReadMsgUnix(c.rbuf, c.oob)
	}
	switch {
	case errors.Is(err, io.EOF) && oobn > 0:
		err = errEmpty // the kernel names a sender, and the end has none
	case errors.Is(err, unix.ECONNRESET) || errors.Is(err, io.EOF):
		err = io.EOF
	}
	return n, oobn, flags, addr, err
}

// SetDeadline bounds Send and Recv, like [net.Conn].
func (c *Conn) SetDeadline(t time.Time) error { return c.uc.SetDeadline(t) }

// StopRecv makes Recv fail from now on, with an error that is not io.EOF. What
// was not received stays where it is; Send goes on.
func (c *Conn) StopRecv() { _ = c.uc.SetReadDeadline(time.Unix(1, 0)) } // it may be closed

// File returns a second descriptor for this end. The caller owns it.
func (c *Conn) File() (*os.File, error) { return fdutil.Dup(c.uc) }

// Close closes this end.
func (c *Conn) Close() error { return c.uc.Close() }

// errEmpty says that a packet has no bytes. Nothing may take that for the end of
// the channel, which tells a successor to serve.
var errEmpty = errors.New("empty packet")

// parseControl returns the descriptors and the sender of a packet.
func parseControl(oob []byte) (fds []int, sender int, err error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, 0, fmt.Errorf("control message: %w", err)
	}
	for i := range msgs {
		if cred, err := unix.ParseUnixCredentials(&msgs[i]); err == nil {
			sender = int(cred.Pid)
		} else if some, err := unix.ParseUnixRights(&msgs[i]); err == nil {
			fds = append(fds, some...)
		}
	}
	return fds, sender, nil
}
