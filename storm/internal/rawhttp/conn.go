package rawhttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// DialError says that no connection was made, so the request was never sent.
type DialError struct{ Err error }

func (e *DialError) Error() string { return e.Err.Error() }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Err }

// Conn is one connection to a server. It belongs to one goroutine; its Socket may be used by any.
type Conn struct {
	nc     net.Conn
	socket *Socket

	buf      []byte
	r, w     int
	received int64
	// Answers counts the responses that were read to their end.
	Answers int
	// Announced says whether the last response announced that the server closes the connection.
	Announced bool
}

const bufferSize = 16 << 10

// Dial opens a connection, with TLS if config is not nil. The time-out covers both handshakes.
func Dial(ctx context.Context, addr string, config *tls.Config, timeout time.Duration) (*Conn, error) {
	return DialBuffer(ctx, addr, config, timeout, 0)
}

// DialBuffer is Dial with a receive buffer of that many bytes; 0 leaves the system's. On loopback the usual buffer of some
// megabytes takes a whole download at once, and nothing would be in flight while a slow client reads.
func DialBuffer(ctx context.Context, addr string, config *tls.Config, timeout time.Duration, buffer int) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	// Without keep-alive probes there are fewer system calls, and the server alone decides what the client sees.
	d := net.Dialer{KeepAlive: -1}
	if buffer > 0 {
		d.Control = func(_, _ string, c syscall.RawConn) error {
			return c.Control(func(fd uintptr) {
				_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, buffer) // without it slower, not wrong
			})
		}
	}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, &DialError{err}
	}
	socket, err := NewSocket(nc.(*net.TCPConn))
	if err != nil {
		_ = nc.Close()
		return nil, &DialError{err}
	}
	c := &Conn{nc: nc, socket: socket, buf: make([]byte, bufferSize)}
	if config != nil {
		t := tls.Client(nc, config)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = nc.Close()
			// Not a DialError: the server accepted the connection and then dropped it.
			return nil, fmt.Errorf("TLS handshake: %w", err)
		}
		c.nc, socket.encrypted = t, true
	}
	return c, nil
}

// Socket returns the means to look at the connection from another goroutine.
func (c *Conn) Socket() *Socket { return c.socket }

// LocalAddr returns the client's end.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the server's end.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// SetBuffer changes the size of the read buffer. Call it before the first response only.
func (c *Conn) SetBuffer(size int) { c.buf = make([]byte, size) }

// Close closes the connection.
func (c *Conn) Close() error { return c.nc.Close() }

// SetDeadline bounds all reads and writes.
func (c *Conn) SetDeadline(t time.Time) error { return c.nc.SetDeadline(t) }

// Received returns how many bytes of the current response have arrived.
func (c *Conn) Received() int64 { return c.received }

// Write sends part of a request.
func (c *Conn) Write(b []byte) error {
	_, err := c.nc.Write(b)
	return err
}

// RoundTrip sends a request and reads the response as ReadResponse does. It reads even if the write fails, because the server
// may have answered before it closed. If it has not, the error is that of the write.
func (c *Conn) RoundTrip(request []byte, sink func([]byte) error) (Response, error) {
	werr := c.Write(request)
	resp, err := c.ReadResponse(sink)
	if err != nil && werr != nil {
		err = werr
	}
	return resp, err
}

// ReadResponse reads one response to its end and passes its body to sink in pieces, each valid during the call only. A nil
// sink drops the body. Interim responses (1xx, except 101) are skipped.
func (c *Conn) ReadResponse(sink func([]byte) error) (Response, error) {
	c.received = int64(c.w - c.r)
	for range 8 { // a bound, because a broken server may send 1xx without end
		resp, err := c.readHead()
		if err != nil {
			return resp, err
		}
		if resp.Status < 200 && resp.Status != 101 {
			continue
		}
		c.Announced = resp.Close
		if err := c.readBody(resp, sink); err != nil {
			return resp, err
		}
		c.Answers++
		return resp, nil
	}
	return Response{}, fmt.Errorf("%w: too many interim responses", ErrMalformed)
}

func (c *Conn) readHead() (Response, error) {
	for {
		if n := headEnd(c.buf[c.r:c.w]); n > 0 {
			resp, err := parseHead(c.buf[c.r : c.r+n])
			c.r += n
			return resp, err
		}
		if c.w-c.r == len(c.buf) {
			return Response{}, fmt.Errorf("%w: head longer than %d bytes", ErrMalformed, len(c.buf))
		}
		if err := c.fill(); err != nil {
			return Response{}, err
		}
	}
}

// fill reads once from the connection. An end of the connection is io.ErrUnexpectedEOF: only readBody knows the one case
// in which it is expected.
func (c *Conn) fill() error {
	if c.r == c.w {
		c.r, c.w = 0, 0
	} else if c.w == len(c.buf) {
		c.w = copy(c.buf, c.buf[c.r:c.w])
		c.r = 0
	}
	n, err := c.nc.Read(c.buf[c.w:])
	c.w += n
	c.received += int64(n)
	if n > 0 {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (c *Conn) readBody(resp Response, sink func([]byte) error) error {
	switch resp.Framing {
	case FramingLength:
		return c.readN(resp.Length, sink)
	case FramingChunked:
		return c.readChunks(sink)
	case FramingClose:
		err := c.readN(1<<62, sink)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		return err
	}
	return nil
}

func (c *Conn) readN(n int64, sink func([]byte) error) error {
	for n > 0 {
		if c.r == c.w {
			if err := c.fill(); err != nil {
				return err
			}
		}
		k := int(min(n, int64(c.w-c.r)))
		if sink != nil {
			if err := sink(c.buf[c.r : c.r+k]); err != nil {
				return err
			}
		}
		c.r += k
		n -= int64(k)
	}
	return nil
}

func (c *Conn) readChunks(sink func([]byte) error) error {
	for {
		line, err := c.readLine()
		if err != nil {
			return err
		}
		n, ok := hexadecimal(line)
		if !ok {
			return fmt.Errorf("%w: chunk size %.40q", ErrMalformed, line)
		}
		if n == 0 {
			break
		}
		if err := c.readN(n, sink); err != nil {
			return err
		}
		if line, err = c.readLine(); err != nil {
			return err
		}
		if len(line) != 0 {
			return fmt.Errorf("%w: %.40q after a chunk", ErrMalformed, line)
		}
	}
	for { // trailers
		line, err := c.readLine()
		if err != nil || len(line) == 0 {
			return err
		}
	}
}

// readLine returns a line without its end, valid until the next read.
func (c *Conn) readLine() ([]byte, error) {
	for {
		if i := bytes.Index(c.buf[c.r:c.w], crlf); i >= 0 {
			line := c.buf[c.r : c.r+i]
			c.r += i + len(crlf)
			return line, nil
		}
		if c.w-c.r == len(c.buf) {
			return nil, fmt.Errorf("%w: line longer than %d bytes", ErrMalformed, len(c.buf))
		}
		if err := c.fill(); err != nil {
			return nil, err
		}
	}
}
