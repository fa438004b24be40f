package restarthttp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"syscall"
	"time"

	"example.com/restart/internal/tlsrec"
)

// A WebSocket with TLS that is kept leaves crypto/tls when its handler hijacks the
// connection. Nobody else has it at that moment, so all that a move needs can be
// proved, or else the connection stays what it was. From then on it is like one
// that has moved: our record layer is below, and its messages can be followed.

// An unsealed is what the handler has of it. crypto/tls, whose calls reach the
// conn, is cut off.
type unsealed struct {
	secure
	kept *kept
}

// unseal takes the place of net/http's Hijack for a WebSocket that is kept: above
// and rw are what that has returned.
func (c *conn) unseal(above *tls.Conn, rw *bufio.ReadWriter) (net.Conn, *bufio.ReadWriter, error) {
	k := c.kept.Load()
	early := append(buffered(rw.Reader), c.decrypted(k, above)...)
	own, err := c.takeFrom(above)
	switch {
	case err == nil:
		k.unseal(own)
	case c.tapped.cutOff.Load():
		c.Close()
		return nil, nil, err
	default:
		c.kept.Store(nil)
	}
	c.hijack(early)
	c.untap()
	if err != nil {
		return above, startingWith(early, above), nil
	}
	u := &unsealed{secure{c, own}, k}
	return u, startingWith(early, u), nil
}

// recordBound is how long a client may take to send the rest of a record that has
// begun when the handler hijacks. A variable for tests.
var recordBound = time.Second

// decrypted empties crypto/tls: it returns what the client has sent, and nobody has
// read, before the handler hijacked. A record that has begun is read to its end.
func (c *conn) decrypted(k *kept, above *tls.Conn) []byte {
	k.emptying = true
	c.SetReadDeadline(time.Now().Add(recordBound))
	b, _ := io.ReadAll(above) // ends by the deadline, or by an error that comes again
	c.SetReadDeadline(time.Time{})
	k.emptying = false
	return b
}

// startingWith returns c with early in the buffer, where net/http leaves it and
// libraries look for it.
func startingWith(early []byte, c net.Conn) *bufio.ReadWriter {
	br := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(early), c), max(len(early), handlerBuffer))
	_, _ = br.Peek(len(early)) // reads nothing else
	return bufio.NewReadWriter(br, bufio.NewWriter(c))
}

// handlerBuffer is the size of the buffer that net/http gives to a handler.
const handlerBuffer = 4096

// takeFrom fails unless crypto/tls holds nothing and no record was held back.
func (c *conn) takeFrom(above *tls.Conn) (*tlsrec.Conn, error) {
	if k := c.kept.Load(); len(k.records.held) > 0 || k.records.lost {
		return nil, errNoState
	}
	return c.tapped.unseal(above)
}

// unseal makes own the connection.
func (k *kept) unseal(own *tlsrec.Conn) {
	k.writing.Lock()
	defer k.writing.Unlock()
	k.records = nil
	k.unsealed.Store(own)
}

// unseal takes the connection from crypto/tls. If nothing could be proved,
// crypto/tls is not cut off and goes on.
func (t *tapped) unseal(above *tls.Conn) (*tlsrec.Conn, error) {
	p, err := t.tap.Prove()
	if err != nil {
		return nil, err
	}
	t.cut(p, false)
	_ = above.CloseWrite() // goes nowhere: its number is that of the next record
	t.leave(&leftBehind{state: above.ConnectionState()})
	socket, s, err := t.export(0)
	if err != nil {
		return nil, err
	}
	defer s.Wipe()
	return tlsrec.New(socket, s)
}

func (u *unsealed) Read(p []byte) (int, error)  { return u.kept.read(p) }
func (u *unsealed) Write(p []byte) (int, error) { return u.kept.write(p) }

func (u *unsealed) ReadFrom(r io.Reader) (int64, error) { return io.Copy(onlyWriter{u}, r) }

func (u *unsealed) SetWriteDeadline(t time.Time) error { return u.tls.SetWriteDeadline(t) }

func (u *unsealed) SetDeadline(t time.Time) error {
	return errors.Join(u.SetReadDeadline(t), u.SetWriteDeadline(t))
}

func (u *unsealed) CloseWrite() error {
	if u.kept.over.Load() {
		return ErrMoved
	}
	return u.tls.CloseWrite()
}

// NetConn returns the connection below. Whoever has it may read and write past us.
func (u *unsealed) NetConn() net.Conn {
	u.conn.NetConn() // notes that
	return u.tls
}

// SyscallConn implements [syscall.Conn].
func (u *unsealed) SyscallConn() (syscall.RawConn, error) { return u.conn.SyscallConn() }
