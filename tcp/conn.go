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

// Why Move may do nothing.
var (
	// ErrNoSuccessor says that the process stops for good, or that its
	// successor has dropped the listener or serves it with something else.
	ErrNoSuccessor = errors.New("restart/tcp: no successor takes the connection")

	errTooSoon = errors.New("restart/tcp: Move before the drain")
)

// A Conn is a connection that can move to the successor. What is read from it
// goes through one buffer, [Conn.Reader], which moves with it. A handler must
// not put another buffer on top (bufio, json.Decoder), or give Move what is in
// it as part of the state: Conn cannot know of it.
//
// Reading, Wait and Move are for one goroutine at a time; everything else may
// be called by several. Deadlines do not move.
type Conn struct {
	// Conn is the connection as the listener gave it. Reading from it directly
	// takes bytes away from Read.
	net.Conn

	server *Server
	reader *bufio.Reader
	state  []byte

	mu          sync.Mutex
	wanted      time.Time // the read deadline that the handler asked for
	draining    bool
	waiting     bool // in Wait
	interrupted bool // the deadline in force is not the one wanted
	stays       bool // a Move has failed
}

// newConn wraps c, which moved here with p, or has just been accepted if p is
// nil.
func newConn(s *Server, c net.Conn, p *parcel) *Conn {
	w := &Conn{Conn: c, server: s}
	if s.sessions == nil {
		return w // the handler sees c only
	}
	if p == nil {
		w.reader = bufio.NewReader(c)
		return w
	}
	w.state = p.state
	// The buffer takes all that moved along at once: should the connection move
	// on before anything is read, it moves along again.
	w.reader = bufio.NewReaderSize(&rest{p.unread, c}, max(4096, len(p.unread)))
	_, _ = w.reader.Peek(len(p.unread)) // reads from p alone
	return w
}

// A rest is read before the connection is.
type rest struct {
	unread []byte
	conn   net.Conn
}

func (r *rest) Read(b []byte) (int, error) {
	if len(r.unread) == 0 {
		return r.conn.Read(b)
	}
	n := copy(b, r.unread)
	r.unread = r.unread[n:]
	return n, nil
}

// State returns what the predecessor's handler gave to Move. It is nil for a
// connection that was accepted by this process, and never nil for one that has
// moved.
func (c *Conn) State() []byte { return c.state }

// Wait waits for the beginning of a message. A handler calls it when it has
// finished with one message and has not begun to read another. It returns
//
//   - nil when there is something to read;
//   - ErrDraining when the process drains, also if there is something to read:
//     this is the moment for Move. After a Move that failed it does not return
//     this again;
//   - the error of the read otherwise: io.EOF when the client has closed,
//     os.ErrDeadlineExceeded when the read deadline is over.
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
	c.Conn.SetReadDeadline(c.wanted)
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return ErrDraining
}

// drain tells c that the process drains.
func (c *Conn) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.draining = true
	if c.waiting {
		c.interrupted = true
		c.Conn.SetReadDeadline(time.Unix(1, 0))
	}
}

// Move moves the connection to the successor, whose handler gets it with a copy
// of state, together with what Reader has buffered. State and buffer may have
// 32 KiB together.
//
// Nil means that the successor has it: the handler must return and not touch
// the connection again. What was written before has been sent. After an error
// the connection is still here and as it was: the handler can end it with a
// word to the client, or go on serving until the drain is over.
// [ErrNoSuccessor] is the usual error, when the process stops for good.
func (c *Conn) Move(state []byte) error {
	h, draining := c.server.way()
	switch {
	case !draining:
		return errTooSoon
	case h == nil:
		c.stay()
		return ErrNoSuccessor
	}
	unread, _ := c.reader.Peek(c.reader.Buffered()) // what is buffered can be had
	err := h.Send(c.Conn, (&parcel{unread: unread, state: state}).append(nil))
	if err != nil {
		c.stay()
	}
	return err
}

func (c *Conn) stay() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stays = true
}

// Reader returns the connection's buffer. It is always the same.
func (c *Conn) Reader() *bufio.Reader { return c.reader }

// Read reads through the buffer of Reader.
func (c *Conn) Read(b []byte) (int, error) { return c.reader.Read(b) }

// WriteTo lets io.Copy from the connection use splice(2).
func (c *Conn) WriteTo(w io.Writer) (int64, error) { return c.reader.WriteTo(w) }

// ReadFrom lets io.Copy to the connection use sendfile(2).
func (c *Conn) ReadFrom(r io.Reader) (int64, error) { return io.Copy(c.Conn, r) }

// SetReadDeadline implements net.Conn. A drain ends Wait without it.
func (c *Conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.wanted = t
	if c.interrupted {
		return nil
	}
	return c.Conn.SetReadDeadline(t)
}

// SetDeadline implements net.Conn.
func (c *Conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// CloseWrite ends our direction of the connection with a FIN.
func (c *Conn) CloseWrite() error {
	if h, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return h.CloseWrite()
	}
	return errors.ErrUnsupported
}
