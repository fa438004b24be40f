package tcp

import (
	"bufio"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"time"
)

var (
	// ErrDraining is returned by [Conn.Wait] when the process drains.
	ErrDraining = errors.New("restart/tcp: the process drains")

	// ErrNoSuccessor is returned by [Conn.Move] when the process stops for good,
	// and when the successor does not serve the listener, or serves it with a
	// service that does not adopt connections.
	ErrNoSuccessor = errors.New("restart/tcp: move connection: no successor")

	errNotDraining = errors.New("restart/tcp: move connection: the process does not drain")
)

// A Conn is a connection that can move to the successor. All reads go through
// one buffer, [Conn.Reader], which moves with the connection. A second buffer on
// top of it (bufio, json.Decoder) does not move: its contents must be part of the
// state that the handler gives to Move.
//
// One goroutine at a time may read, Wait or Move. Several may call the other
// methods. Deadlines do not move.
type Conn struct {
	// Conn is the connection as the listener gave it. A direct read from it
	// bypasses the buffer and loses bytes.
	net.Conn

	server *Server
	reader *bufio.Reader
	state  []byte

	mu          sync.Mutex
	deadline    time.Time // for reads, as the handler has set it
	draining    bool      // the process drains
	waiting     bool      // in Wait
	interrupted bool      // a drain has put another deadline in force, to end Wait
	stays       bool      // a Move has failed
}

// newConn wraps c, which has come from the predecessor with p, or has just been
// accepted if p is nil.
func newConn(s *Server, c net.Conn, p *payload) *Conn {
	w := &Conn{Conn: c, server: s}
	if s.sessions == nil {
		return w // the handler gets c alone
	}
	if p == nil {
		w.reader = bufio.NewReader(c)
		return w
	}
	w.state = p.state
	// All unread bytes go into the buffer at once, so that they move along again
	// if the connection moves on before the handler reads.
	w.reader = bufio.NewReaderSize(&unreadFirst{p.unread, c}, max(4096, len(p.unread)))
	_, _ = w.reader.Peek(len(p.unread)) // reads from p alone
	return w
}

// An unreadFirst reads unread, and then from conn.
type unreadFirst struct {
	unread []byte
	conn   net.Conn
}

func (r *unreadFirst) Read(b []byte) (int, error) {
	if len(r.unread) == 0 {
		return r.conn.Read(b)
	}
	n := copy(b, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// State returns the bytes that the predecessor's handler gave to Move. It is nil
// for a connection that this process has accepted, and never nil for one that
// has moved. The handler may change the bytes.
func (c *Conn) State() []byte { return c.state }

// Wait waits for the beginning of a message. A handler calls it between two
// messages: after it has finished one, and before it reads the next. Wait
// returns
//
//   - nil when there is something to read;
//   - ErrDraining when the process drains, even if there is something to read.
//     Now the handler can call Move. After a Move that has failed, Wait never
//     returns ErrDraining again;
//   - otherwise the error of the read: io.EOF when the client has closed the
//     connection, os.ErrDeadlineExceeded after the read deadline.
func (c *Conn) Wait() error {
	c.mu.Lock()
	if c.draining && !c.stays {
		c.mu.Unlock()
		return ErrDraining
	}
	c.waiting = true
	c.mu.Unlock()

	_, err := c.reader.Peek(1)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = false
	if !c.interrupted {
		return err
	}
	c.interrupted = false
	c.Conn.SetReadDeadline(c.deadline)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return ErrDraining
}

// drain tells c that the process drains. It ends Wait.
func (c *Conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.waiting {
		c.interrupted = true
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Move moves the connection to the successor. The handler there gets it with a
// copy of state and with the bytes that Reader has buffered; together they may
// have 32 KiB. Move works only while the process drains: after Wait has returned
// ErrDraining, or when the channel of [restart.Draining] is closed.
//
// Move returns nil when the successor has the connection. The handler must then
// return without touching the connection again. Bytes written before have been
// sent. After [restart.ErrUncertain] the connection is closed: the successor died
// and may have used it. After any other error, usually [ErrNoSuccessor], the
// connection is unchanged and still belongs to the handler, which can say goodbye
// to the client, or serve on until the drain ends.
func (c *Conn) Move(state []byte) error {
	h, draining := c.server.drainTo()
	switch {
	case !draining:
		return errNotDraining
	case h == nil:
		c.stay()
		return ErrNoSuccessor
	}
	unread, _ := c.reader.Peek(c.reader.Buffered()) // cannot fail
	err := h.Send(c.Conn, (&payload{unread: unread, state: state}).append(nil))
	if err != nil {
		c.stay()
	}
	return err
}

// stay lets Wait wait for messages again, though the process drains.
func (c *Conn) stay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stays = true
}

// Reader returns the connection's buffer, the same one at each call.
func (c *Conn) Reader() *bufio.Reader { return c.reader }

// Read implements net.Conn. It reads through the buffer of Reader.
func (c *Conn) Read(b []byte) (int, error) { return c.reader.Read(b) }

// WriteTo lets io.Copy from the connection use splice(2).
func (c *Conn) WriteTo(w io.Writer) (int64, error) { return c.reader.WriteTo(w) }

// ReadFrom lets io.Copy to the connection use sendfile(2).
func (c *Conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// SetReadDeadline implements net.Conn. A drain ends Wait whatever the deadline.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	if c.interrupted {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite ends the sending direction with a FIN. It returns
// errors.ErrUnsupported for connections that cannot.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}
