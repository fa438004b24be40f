package rawhttp

import (
	"encoding/binary"
	"net"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Pending describes the bytes that wait to be read from a connection. It is found without reading and without blocking.
type Pending uint8

// The values of Pending.
const (
	PendingNothing Pending = iota // open and silent
	PendingData                   // bytes to read
	PendingEnd                    // the server has closed its side, or reset
)

// Socket looks at a TCP connection without changing it. Any goroutine may look while another one uses the connection. Its
// buffer and closure are made once, because a look comes before every write and must not allocate.
type Socket struct {
	raw       syscall.RawConn
	look      func(fd uintptr)
	encrypted bool // with TLS; set before another goroutine has the Socket

	mu  sync.Mutex
	buf [5]byte
	n   int
	err error
}

// NewSocket borrows a connection. It neither reads from it nor closes it.
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

// Peek looks at the bytes that wait to be read.
func (s *Socket) Peek() Pending {
	p, _ := s.peekBytes()
	return p
}

func (s *Socket) peekBytes() (Pending, [5]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.raw.Control(s.look); err != nil { // closed by its user
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

// Ended reports whether the server has ended the connection: with FIN, with RST, or with TLS's close_notify.
func (s *Socket) Ended() bool {
	pending, head := s.peekBytes()
	return pending == PendingEnd || pending == PendingData && s.encrypted && isCloseNotify(head)
}

// IdleClosed reports whether the server has closed the connection, or begun to, while no request was in flight.
//
// On a plain connection any byte that nobody asked for begins a close, such as a 408 before it. With TLS only
// close_notify does: a TLS 1.3 server also sends session tickets before its first answer.
func (c *Conn) IdleClosed() bool {
	if c.r < c.w {
		return true
	}
	pending, head := c.socket.peekBytes()
	return pending == PendingEnd || pending == PendingData && (!c.socket.encrypted || isCloseNotify(head))
}

// isCloseNotify judges by the header of a TLS record. An alert in the clear has its own type; an encrypted one (2 bytes, 1
// of type, 16 of tag) is shorter than any session ticket.
func isCloseNotify(head [5]byte) bool {
	const alert, applicationData, longestAlert = 21, 23, 40
	n := binary.BigEndian.Uint16(head[3:])
	return head[0] == alert || head[0] == applicationData && n <= longestAlert
}
