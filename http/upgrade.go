package restarthttp

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"net"
	"net/http"
)

// prepareKeep is called before the handler of a request that Keep may be asked
// for, or has been in the predecessor.
func (r *run) prepareKeep(w http.ResponseWriter, req *http.Request) http.ResponseWriter {
	c := connOf(req.Context())
	if c == nil {
		return w
	}
	k := c.kept.Load()
	if k == nil && isWebSocket(req.Header) && keepable(req) {
		c.snapshot = requestHead(req) // before anybody changes it
	}
	if k != nil && k.kind == keptStream && k.from != nil && k.from.Sent {
		w.Header().Set("Transfer-Encoding", "chunked") // however little is to come
	}
	if req.Header["Upgrade"] != nil && req.ProtoMajor == 1 {
		return &upgrader{w, c}
	}
	return w
}

// An upgrader lets the handler of an upgrade have a connection that knows writev(2):
// libraries for WebSockets write the header of a message and its payload in one
// system call then (net.Buffers). One that is kept does not know it, for its
// messages are followed; it puts them together again, see kept.writeFrames.
type upgrader struct {
	http.ResponseWriter
	conn *conn
}

// Unwrap is for http.ResponseController.
func (u *upgrader) Unwrap() http.ResponseWriter { return u.ResponseWriter }

// Flush implements http.Flusher.
func (u *upgrader) Flush() { _ = http.NewResponseController(u.ResponseWriter).Flush() }

// Hijack implements http.Hijacker.
func (u *upgrader) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	nc, rw, err := http.NewResponseController(u.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	if u.conn.keepsWebSocket() {
		if t, ok := nc.(*tls.Conn); ok {
			return u.conn.unseal(t, rw)
		}
		u.conn.hijack(buffered(rw.Reader))
		return nc, rw, nil
	}
	if c, ok := nc.(*conn); ok && !c.keeps() {
		nc = vectored(c)
	}
	return nc, rw, nil
}

// buffered returns a copy of what is in r's buffer.
func buffered(r *bufio.Reader) []byte {
	b, _ := r.Peek(r.Buffered())
	return bytes.Clone(b)
}

// vectored gives c the methods of the socket that are hidden by it otherwise.
func vectored(c *conn) net.Conn {
	below, ok := c.Conn.(interface{ NetConn() net.Conn })
	if !ok {
		return c
	}
	switch socket := below.NetConn().(type) {
	case *net.TCPConn:
		return &vectoredTCP{c, tcpSocket{socket}}
	case *net.UnixConn:
		return &vectoredUnix{c, unixSocket{socket}}
	}
	return c
}

// Methods of conn are less deep than those of the socket, and so come first.
type (
	vectoredTCP struct {
		*conn
		tcpSocket
	}
	vectoredUnix struct {
		*conn
		unixSocket
	}
	tcpSocket  struct{ *net.TCPConn }
	unixSocket struct{ *net.UnixConn }
)
