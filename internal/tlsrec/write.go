package tlsrec

import (
	"errors"
	"sync"
	"time"
)

const (
	// recordsAtOnce is how many records go out with one system call.
	recordsAtOnce = 4

	// notifyTime bounds the wait for a client that does not read, as in crypto/tls.
	notifyTime = 5 * time.Second
)

var errNotified = errors.New("tlsrec: write: close_notify was sent")

// A writer is the server's direction. The lock is held while a Write waits.
type writer struct {
	mu       sync.Mutex
	cipher   *Cipher
	err      error // for all further writes
	notified bool  // close_notify was sent
}

// Write implements [net.Conn].
func (c *Conn) Write(p []byte) (int, error) {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if c.out.notified {
		return 0, errNotified
	}
	return c.sendLocked(TypeData, p)
}

func (c *Conn) send(t Type, plain []byte) error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	_, err := c.sendLocked(t, plain)
	return err
}

var outBuffers = sync.Pool{New: func() any {
	b := make([]byte, 0, recordsAtOnce*(HeaderLen+maxPlain+nonceLen+Overhead13))
	return &b
}}

// sendLocked writes plain in as many records as it takes, and returns how much of
// it was written. Nothing can follow an error: part of a record may have gone
// out, and the client could not read on.
func (c *Conn) sendLocked(t Type, plain []byte) (sent int, err error) {
	if c.out.err != nil {
		return 0, c.out.err
	}
	buf := outBuffers.Get().(*[]byte)
	defer outBuffers.Put(buf)
	for sent < len(plain) {
		b, packed := (*buf)[:0], sent
		for range recordsAtOnce {
			n := min(len(plain)-packed, maxPlain)
			if b, err = c.out.cipher.Seal(b, t, plain[packed:packed+n]); err != nil {
				c.out.err = err
				return sent, err
			}
			if packed += n; packed == len(plain) {
				break
			}
		}
		if _, err := c.Conn.Write(b); err != nil {
			c.out.err = err
			return sent, err
		}
		sent = packed
	}
	return sent, nil
}

// answerKeyUpdate sends a KeyUpdate that asks for none, after which the next key
// holds here too. An error of the socket is the next Write's to return.
func (c *Conn) answerKeyUpdate() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	if _, err := c.sendLocked(TypeHandshake, []byte{keyUpdate, 0, 0, 1, 0}); err != nil {
		return nil
	}
	if err := c.out.cipher.update(); err != nil {
		c.out.err = err
		return internalError
	}
	return nil
}

// CloseWrite sends close_notify. Like that of a tls.Conn it leaves the socket as
// it is.
func (c *Conn) CloseWrite() error {
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	return c.notifyLocked()
}

func (c *Conn) notifyLocked() error {
	switch {
	case c.out.notified:
		return nil
	case c.out.err != nil: // Detach: the socket is another's
		return c.out.err
	}
	c.out.notified = true
	c.SetWriteDeadline(time.Now().Add(notifyTime))
	defer c.SetWriteDeadline(time.Now()) // nothing follows
	_, err := c.sendLocked(TypeAlert, []byte{levelWarning, byte(closeNotify)})
	return err
}

// Close sends close_notify and closes the socket. It does not wait for a Write
// that is under way: that one fails, and close_notify is not sent.
func (c *Conn) Close() error {
	var notified error
	if c.out.mu.TryLock() {
		notified = c.notifyLocked()
		c.out.mu.Unlock()
	}
	return errors.Join(c.Conn.Close(), notified)
}
