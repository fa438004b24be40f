package tlsrec

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"sync"
)

// maxUseless is how many records in a row may bring nothing, as in crypto/tls: a
// client could keep the server busy with them.
const maxUseless = 16

// Sizes of the read buffer: for a connection that is idle or sends little, and
// for one that uploads.
const (
	smallBuffer = 1 << 10
	largeBuffer = 2 * (HeaderLen + maxCipher13)
)

// A reader is the client's direction. The lock is held while a Read waits.
type reader struct {
	mu      sync.Mutex
	cipher  *Cipher
	buf     []byte // what was read from the socket; the next record begins at at
	at      int
	plain   []byte // decrypted, and not read yet; within buf, or what came with the State
	message []byte // the beginning of a handshake message
	useless int    // records in a row that have brought nothing
	err     error  // for all further reads
}

// Read implements [net.Conn].
func (c *Conn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	for len(c.in.plain) == 0 {
		if c.in.err != nil {
			return 0, c.in.err
		}
		if err := c.readRecordLocked(); err != nil {
			return 0, c.failReadLocked(err)
		}
	}
	n := copy(p, c.in.plain)
	c.in.plain = c.in.plain[n:]
	return n, nil
}

// failReadLocked makes err the end of reading, unless it is a time-out: nothing
// of a record is lost by that. The client is told of what it did wrong.
func (c *Conn) failReadLocked(err error) error {
	if ne, ok := errors.AsType[net.Error](err); ok && ne.Timeout() {
		return err
	}
	if a, ok := errors.AsType[Alert](err); ok {
		_ = c.send(TypeAlert, []byte{levelFatal, byte(a)}) // the client may be gone
		err = localError(err)
	}
	c.in.err = err
	return err
}

// readRecordLocked reads one record and acts upon it.
func (c *Conn) readRecordLocked() error {
	record, err := c.nextRecordLocked()
	if err != nil {
		return err
	}
	plain, t, err := c.in.cipher.openInPlace(record)
	if err != nil {
		return err
	}
	if t != TypeHandshake && len(c.in.message) > 0 {
		return unexpectedMessage
	}
	switch t {
	case TypeData:
		c.in.plain = plain
	case TypeAlert:
		err = c.alertLocked(plain)
	case TypeHandshake:
		err = c.handshakeLocked(plain)
	default:
		err = unexpectedMessage
	}
	if len(c.in.plain) > 0 {
		c.in.useless = 0
		return err
	}
	if c.in.useless++; err == nil && c.in.useless > maxUseless {
		return unexpectedMessage
	}
	return err
}

// nextRecordLocked returns the next whole record, which is in the buffer until
// the next call.
func (c *Conn) nextRecordLocked() ([]byte, error) {
	if err := c.fillLocked(HeaderLen); err != nil {
		return nil, err
	}
	header := c.in.buf[c.in.at:]
	size := int(binary.BigEndian.Uint16(header[3:]))
	limit := maxCipher13
	if c.suite.Version == tls.VersionTLS12 {
		limit = maxCipher12
	}
	switch {
	case header[1] != 3 || header[2] != 3:
		return nil, protocolVersion
	case size > limit:
		return nil, recordOverflow
	case c.suite.Version == tls.VersionTLS13 && Type(header[0]) != TypeData:
		return nil, unexpectedMessage
	}
	if err := c.fillLocked(HeaderLen + size); err != nil {
		return nil, err
	}
	record := c.in.buf[c.in.at : c.in.at+HeaderLen+size]
	c.in.at += len(record)
	return record, nil
}

// fillLocked reads until n bytes are there.
func (c *Conn) fillLocked(n int) error {
	in := &c.in
	if len(in.buf)-in.at >= n {
		return nil
	}
	if in.at > 0 {
		in.buf = in.buf[:copy(in.buf, in.buf[in.at:])]
		in.at = 0
	}
	if cap(in.buf) < n {
		size := smallBuffer
		if n > size {
			size = largeBuffer
		}
		in.buf = append(make([]byte, 0, size), in.buf...)
	}
	for len(in.buf) < n {
		m, err := c.Conn.Read(in.buf[len(in.buf):cap(in.buf)])
		in.buf = in.buf[:len(in.buf)+m]
		if err != nil && len(in.buf) < n {
			if err == io.EOF && len(in.buf) > 0 {
				return io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// alertLocked acts upon an alert of the client. Those of TLS 1.2 that are
// warnings mean nothing.
func (c *Conn) alertLocked(b []byte) error {
	if len(b) != 2 {
		return unexpectedMessage
	}
	a := Alert(b[1])
	switch {
	case a == closeNotify:
		return io.EOF
	case c.suite.Version == tls.VersionTLS13 && a == userCanceled:
		return nil
	case c.suite.Version == tls.VersionTLS12 && b[0] == levelWarning:
		return nil
	}
	return remoteError(a)
}

const keyUpdate = 24 // the type of a handshake message

// handshakeLocked acts upon the only message that a client may send after its
// handshake, KeyUpdate (RFC 8446, 4.6.3). It may come in pieces.
func (c *Conn) handshakeLocked(b []byte) error {
	if c.suite.Version != tls.VersionTLS13 || len(b) == 0 {
		return unexpectedMessage
	}
	m := append(c.in.message, b...)
	c.in.message = m
	switch {
	case m[0] != keyUpdate:
		return unexpectedMessage
	case len(m) < 5:
		return nil
	case len(m) > 5:
		return unexpectedMessage // what comes next must have the next key
	case m[1] != 0 || m[2] != 0 || m[3] != 1 || m[4] > 1:
		return decodeError
	}
	c.in.message = nil
	if m[4] == 1 {
		if err := c.answerKeyUpdate(); err != nil {
			return err
		}
	}
	if err := c.in.cipher.update(); err != nil {
		return internalError
	}
	return nil
}
