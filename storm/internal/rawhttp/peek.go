package rawhttp

import (
	"encoding/binary"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pending is what waits on a connection, found without taking it and without blocking.
type Pending uint8

// What can wait.
const (
	PendingNothing Pending = iota // open and silent
	PendingData                   // bytes to read
	PendingEnd                    // the server has closed its side, or reset
)

// Socket looks at a TCP connection without touching it. Its mutex lets a supervisor look while the owner does; its buffer
// and closure are made once, because a look comes before every write and must not make garbage.
type Socket struct {
	raw  syscall.RawConn
	look func(fd uintptr)

	mu  sync.Mutex
	buf [5]byte
	n   int
	err error
}

// NewSocket borrows a connection: it neither reads from it nor closes it.
func NewSocket(c *net.TCPConn) (*Socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &Socket{raw: raw}
	s.look = func(fd uintptr) {
		s.n, _, s.err = unix.Recvfrom(int(fd), s.buf[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
	}
	return s, nil
}

// Peek says what waits on the socket.
func (s *Socket) Peek() Pending {
	p, _ := s.peekBytes()
	return p
}

func (s *Socket) peekBytes() (Pending, [5]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.raw.Control(s.look); err != nil { // closed by us
		return PendingEnd, [5]byte{}
	}
	switch {
	case s.err == unix.EAGAIN || s.err == unix.EINTR:
		return PendingNothing, s.buf
	case s.err != nil || s.n == 0:
		return PendingEnd, s.buf
	}
	return PendingData, s.buf
}

// IdleClosed reports whether the server has closed the connection, or begun to, while no request was under way.
//
// Anything that arrives unasked for on a plain connection is such a beginning (a 408 before the close). On TLS it is a
// close_notify, unless it is long enough to be the session ticket that a TLS 1.3 server sends before its first answer.
func (c *Conn) IdleClosed() bool {
	if c.r < c.w {
		return true
	}
	pending, head := c.socket.peekBytes()
	switch pending {
	case PendingNothing:
		return false
	case PendingEnd:
		return true
	}
	return !c.encrypted || isCloseNotify(head)
}

// isCloseNotify judges by a record's head: an alert in the clear has its own type; an encrypted one (2 bytes, 1 of type,
// 16 of tag) is shorter than any ticket.
func isCloseNotify(head [5]byte) bool {
	const alert, applicationData, longestAlert = 21, 23, 40
	n := binary.BigEndian.Uint16(head[3:])
	return head[0] == alert || head[0] == applicationData && n <= longestAlert
}
