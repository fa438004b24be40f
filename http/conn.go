package http

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"sync"
	"time"
)

// A conn is a connection between the listener and net/http. It knows whether
// net/http waits for a request, and during a drain it ends that wait: by
// moving the connection to the successor where that is possible, after Linger
// where it is not.
//
// How the move works without a fork of net/http: a read deadline in the past
// makes net/http's blocked read fail with nothing read. It then gives the
// connection up without a word to the client and calls Close, and Close sends
// the socket to the successor instead. That this is so is not promised by
// net/http: selfcheck.go tries it out before it is relied upon.
type conn struct {
	net.Conn
	owner owner

	known bool // whether it is HTTP/2; only for net/http's calls of ConnState

	mu    sync.Mutex
	wait  wait
	drain mode

	// wanted is the read deadline that net/http last asked for. Another one may
	// be in force while the connection waits.
	wanted time.Time

	limited bool // a read deadline may be in force, see setDeadline
	bared   bool // NetConn has been called: others may set deadlines

	inLobby bool    // net/http has not got it yet, see lobby
	ahead   bool    // first has not been read from us yet
	first   [1]byte // what ended the wait in the lobby

	// full is the size of net/http's empty read buffer. A read into less means
	// that bytes of a next request have been taken out of the socket already.
	// Zero means the size of the first read, which is smaller where net/http
	// looks for HTTP/2 without TLS: so only the self-check relies on that.
	full    int
	last    [3]byte // read, the newest at the end: these may be in that buffer
	preface int     // bytes of HTTP/2's preface seen so far, -1: it is something else
	clean   bool    // nothing was read since net/http began to wait
	armed   bool    // net/http has set the deadline of its wait for a next request
	moving  bool    // the read has been ended so that Close can move the connection
	closed  bool
	stays   bool // moves never: it has TLS, whose keys are elsewhere, or could not

	settled func() // see begin; nil once called

	draining chan struct{} // closed to tell handlers; nil until one asks
	told     bool

	announced bool // a response has said that the connection closes
}

// newConn wraps c, which has been accepted or adopted.
func newConn(c net.Conn, o owner, stays bool) *conn {
	return &conn{Conn: c, owner: o, stays: stays, clean: true}
}

// A wait says whether net/http waits for a request.
type wait int

const (
	waitFirst wait = iota // for the first one
	waitNext              // for another one
	waitNone              // a request is being read or answered
	waitOver              // hijacked, HTTP/2 or closed: not ours any more
)

// A mode says what a drain does with a connection that waits.
type mode int

const (
	modeServe  mode = iota // nothing: no drain
	modeMove               // move it to the successor at once
	modeLinger             // close it when nothing comes for Server.Linger
)

// http2Preface begins every unencrypted HTTP/2 connection (RFC 9113, 3.4). No
// other request has a method PRI.
const http2Preface = "PRI "

func (c *conn) Read(p []byte) (int, error) {
	for {
		n, err := c.read(p)
		if c.note(p, n, err) {
			return n, err
		}
	}
}

func (c *conn) read(p []byte) (int, error) {
	if c.ahead && len(p) > 0 {
		c.ahead = false
		return copy(p, c.first[:]), nil
	}
	return c.Conn.Read(p)
}

// note takes note of what a read brought. It reports false if the read is to
// be tried again: it was ended for a move that cannot be.
func (c *conn) note(p []byte, n int, err error) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.full == 0 {
		c.full = len(p)
	}
	if n > 0 {
		c.arrived(p[:n])
		return true
	}
	if c.drain != modeMove || !c.waiting() || !c.clean || !errors.Is(err, os.ErrDeadlineExceeded) {
		return true
	}
	if c.wait == waitFirst || c.holdsNothing(c.full-len(p)) {
		c.moving = true
		return true
	}
	// The beginning of a request is in net/http's buffer. It is answered here.
	c.clean = false
	c.settle()
	c.setDeadline(c.wanted)
	return false
}

// holdsNothing reports whether the n bytes in net/http's buffer are nothing that
// a client waits for: none, or an empty line after a POST, which net/http skips
// (RFC 9112, 2.2). It waits for four bytes, so there cannot be more than three.
func (c *conn) holdsNothing(n int) bool {
	return n == 0 || n > 0 && n <= len(c.last) && emptyLines(c.last[len(c.last)-n:])
}

func emptyLines(b []byte) bool { return len(bytes.Trim(b, "\r\n")) == 0 }

// arrived takes note of bytes: what was a wait is now a request.
func (c *conn) arrived(b []byte) {
	c.moving = false
	if c.wait != waitNext || !emptyLines(b) {
		c.clean = false
		c.settle()
	}
	end := b[max(0, len(b)-len(c.last)):]
	copy(c.last[:], c.last[len(end):])
	copy(c.last[len(c.last)-len(end):], end)
	if c.wait == waitFirst && c.preface >= 0 && c.preface < len(http2Preface) {
		for _, x := range b {
			if x != http2Preface[c.preface] {
				c.preface = -1
				break
			}
			if c.preface++; c.preface == len(http2Preface) {
				c.stays = true
				if c.drain == modeMove {
					c.drain = modeLinger
				}
				break
			}
		}
	}
	if c.waiting() && c.drain != modeServe {
		c.setDeadline(c.deadline())
	}
}

func (c *conn) waiting() bool { return c.wait == waitFirst || c.wait == waitNext }

// state follows net/http's states.
func (c *conn) state(to wait) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait == waitOver {
		return
	}
	from := c.wait
	c.wait = to
	c.clean = to == waitNext
	c.armed = false // net/http sets the deadline after this
	if to != waitNext && from != waitNone && c.drain != modeServe {
		c.setDeadline(c.wanted)
	}
}

// waits reports whether net/http waits for a request.
func (c *conn) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.waiting()
}

// begin starts the drain of this connection. It calls settled, if that is not
// nil, once: when the move that it has started is over one way or another, at
// once if it has started none.
func (c *conn) begin(m mode, settled func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stays {
		m = modeLinger
	}
	c.drain = m
	c.settled = settled
	if c.waiting() && (m == modeLinger || c.clean) {
		c.setDeadline(c.deadline())
	}
	if m != modeMove || !c.waiting() || !c.clean {
		c.settle()
	}
	c.tellHandlers()
}

func (c *conn) settle() {
	if c.settled != nil {
		c.settled()
		c.settled = nil
	}
}

// turnsOutHTTP2 reports, in the first change of state after which that can be
// known, whether the connection speaks HTTP/2. nc is what net/http has of it.
func (c *conn) turnsOutHTTP2(nc net.Conn) bool {
	if c.known {
		return false
	}
	c.known = true
	if t, ok := nc.(*tls.Conn); ok {
		return t.ConnectionState().NegotiatedProtocol == "h2"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.preface == len(http2Preface)
}

// announce reports whether a response must say that the connection closes
// after it, and whether that is the connection's first such response.
func (c *conn) announce() (now, first bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.drain != modeLinger {
		return false, false
	}
	first = !c.announced
	c.announced = true
	return true, first
}

// Close is where a connection moves. net/http may close twice, and by the
// second time the connection may be served by another conn.
func (c *conn) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return net.ErrClosed
	}
	c.closed = true
	moving := c.moving && c.wait != waitOver
	c.wait = waitOver
	c.mu.Unlock()
	defer c.owner.remove(c)
	moved := moving && c.owner.move(c.Conn)
	c.mu.Lock()
	c.settle()
	c.mu.Unlock()
	if moved {
		return nil
	}
	return c.Conn.Close()
}
