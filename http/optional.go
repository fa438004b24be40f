package restarthttp

import (
	"errors"
	"io"
	"net"
	"syscall"
)

// These methods are what net/http, handlers and io.Copy look for in a
// connection beside those of net.Conn.

// NetConn returns the connection below. Whoever has it may set deadlines on it.
func (c *conn) NetConn() net.Conn {
	c.expose()
	return c.Conn
}

// expose is called before others can read below c, and set deadlines there.
func (c *conn) expose() {
	c.pin()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limited = limitedPerhaps
	if c.ended {
		_ = c.limitLocked(c.asked) // what is closed needs none
	}
}

func (c *conn) ReadFrom(r io.Reader) (int64, error) {
	if c.keeps() || c.http2 != nil {
		return io.Copy(onlyWriter{c}, r)
	}
	if rf, ok := c.Conn.(io.ReaderFrom); ok {
		return rf.ReadFrom(r) // sendfile(2)
	}
	return io.Copy(onlyWriter{c.Conn}, r)
}

type onlyWriter struct{ io.Writer }

func (c *conn) CloseWrite() error {
	if k := c.kept.Load(); k != nil && k.over.Load() {
		return ErrMoved
	}
	if cw, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return cw.CloseWrite()
	}
	return errors.ErrUnsupported
}

func (c *conn) SyscallConn() (syscall.RawConn, error) {
	c.expose()
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}
