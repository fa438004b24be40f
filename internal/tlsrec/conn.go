package tlsrec

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
)

// A Conn is the server's end of a TLS connection whose handshake is over. Its
// methods may be called by several goroutines, as those of a tls.Conn.
type Conn struct {
	net.Conn
	suite *Suite
	state tls.ConnectionState
	desc  Description

	in  reader
	out writer
}

// errDetached is the error of a connection whose state was taken out by Detach.
var errDetached = errors.New("tlsrec: the connection has moved")

// New goes on with a connection over the socket, as s says. It copies the secrets
// of s. After an error nothing was read from the socket or written to it;
// otherwise it belongs to the Conn.
func New(socket net.Conn, s *State) (*Conn, error) {
	suite, err := SuiteByID(s.Suite)
	if err != nil {
		return nil, err
	}
	if suite.Version != s.Version {
		return nil, fmt.Errorf("tlsrec: %s has no cipher suite %s", tls.VersionName(s.Version), tls.CipherSuiteName(s.Suite))
	}
	c := &Conn{Conn: socket, suite: suite, desc: s.Description}
	if c.state, err = s.ConnectionState(); err != nil {
		return nil, err
	}
	if c.in.cipher, err = NewCipher(suite, s.In); err != nil {
		return nil, err
	}
	if c.out.cipher, err = NewCipher(suite, s.Out); err != nil {
		return nil, err
	}
	c.in.plain, c.in.buf = bytes.Clone(s.Plain), bytes.Clone(s.Raw)
	return c, nil
}

// ConnectionState returns what is known of the connection. net/http puts it into
// Request.TLS.
func (c *Conn) ConnectionState() tls.ConnectionState { return c.state }

// NetConn returns the socket.
func (c *Conn) NetConn() net.Conn { return c.Conn }

// Detach ends c without a byte to the client, and returns the socket and the
// state from which New can go on. It must not be called while a Read or a Write
// is under way. After an error c is as it was.
func (c *Conn) Detach() (net.Conn, *State, error) {
	c.in.mu.Lock()
	defer c.in.mu.Unlock()
	c.out.mu.Lock()
	defer c.out.mu.Unlock()
	switch {
	case c.in.err != nil:
		return nil, nil, c.in.err
	case c.out.err != nil:
		return nil, nil, c.out.err
	case c.out.notified:
		return nil, nil, errors.New("tlsrec: detach: close_notify was sent")
	case len(c.in.message) > 0:
		return nil, nil, errors.New("tlsrec: detach: a handshake message is not whole")
	}
	s := &State{
		Version:     c.suite.Version,
		Suite:       c.suite.ID,
		In:          c.in.cipher.half(),
		Out:         c.out.cipher.half(),
		Plain:       bytes.Clone(c.in.plain),
		Raw:         bytes.Clone(c.in.buf[c.in.at:]),
		Description: c.desc,
	}
	c.in.err, c.out.err = errDetached, errDetached
	c.in.plain = nil
	return c.Conn, s, nil
}

// localError is an error that this end has found.
func localError(err error) error { return &net.OpError{Op: "local error", Err: err} }

// remoteError is an alert that the client has sent.
func remoteError(a Alert) error { return &net.OpError{Op: "remote error", Err: tls.AlertError(a)} }
