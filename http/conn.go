package restarthttp

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// A conn is a connection between the listener and net/http. Its life says what
// becomes of it; conn does the reading, the deadlines and the closing.
//
// Its lock is held for moments only: nothing under it blocks or calls back.
type conn struct {
	net.Conn // the socket, or what mover.attach has made of it
	home     *conns
	tapped   *tapped // Conn, if it is one
	http2    *goAway // reads and writes go through it; only HTTP/2 without TLS has it

	kept     atomic.Pointer[kept] // see Keep; nil for most
	snapshot []byte               // the head of a request that may be given to Keep; its handlers' alone
	active   bool                 // net/http has changed its state to http.StateActive before; stateChanged's alone

	ahead []byte  // read before net/http had the connection; the reader's alone
	first [1]byte // the backing array of ahead after awaitByte

	mu      sync.Mutex
	life    life
	asked   time.Time // the read deadline that net/http asked for last
	limited limited
	reading bool    // beginRead has begun a read that noteRead has not seen yet
	ended   bool    // the next read fails at once, see endsNextLocked
	release func()  // gives back the turn that the drain gave; nil without one
	signal  signal  // tells handlers of the drain
	goAway  *goAway // ends an HTTP/2 connection, with TLS or without

	interrupted bool // a deadline in the past is in force, to end a read of kept's
}

// A limited says whether the socket has a read deadline.
type limited uint8

const (
	limitedNot     limited = iota
	limitedByUs            // the one that was set last
	limitedPerhaps         // others may set deadlines too, see NetConn
)

// newConn wraps c, which has been accepted or made by mover.attach. The result is
// not yet in home.
func newConn(c net.Conn, home *conns, m mobility) *conn {
	t, sealed := c.(*tapped)
	return &conn{Conn: c, home: home, tapped: t, life: newLife(m, sealed)}
}

// carryOutLocked does what v demands for the deadline. It returns what gives the
// turn back, nil if there is nothing to give; the caller calls it without the
// lock.
func (c *conn) carryOutLocked(v verdict) (release func(), err error) {
	switch v.deadline {
	case deadlineKeep:
	case deadlineAsked:
		err = c.limitLocked(c.asked)
	case deadlinePast:
		err = c.limitLocked(longAgo)
	case deadlineLinger:
		end := time.Now().Add(c.home.lingerTime())
		if !c.asked.IsZero() && c.asked.Before(end) {
			end = c.asked
		}
		err = c.limitLocked(end)
	}
	if v.turn == turnOver {
		release, c.release = c.release, nil
	}
	return release, err
}

// longAgo is the deadline that ends a read, here as in net/http.
var longAgo = time.Unix(1, 0)

// limitLocked puts a read deadline in force. Several times in each request net/http
// clears a deadline that is not set; that is not worth the runtime's lock.
func (c *conn) limitLocked(t time.Time) error {
	if c.life.stage == stageClosed {
		return nil // another conn may serve the socket
	}
	c.ended = false
	switch {
	case c.interrupted, t.IsZero() && c.limited == limitedNot:
		return nil
	case c.endsNextLocked(t):
		c.ended = true
		return nil
	case c.limited == limitedPerhaps:
	case t.IsZero():
		c.limited = limitedNot
	default:
		c.limited = limitedByUs
	}
	return c.wire().SetReadDeadline(t)
}

// endsNextLocked reports whether a read deadline can be left to the next read,
// which then fails at once. After each request net/http ends its read in the
// background in this way, mostly before that read has begun: the socket need not
// know. In stageBusy no read passes by conn.read, unless others read below c.
func (c *conn) endsNextLocked(t time.Time) bool {
	return t.Equal(longAgo) && !c.reading && c.limited != limitedPerhaps && c.life.stage == stageBusy
}

// wire returns what the bytes of HTTP and WebSockets go through.
func (c *conn) wire() net.Conn {
	if k := c.kept.Load(); k != nil {
		if u := k.unsealed.Load(); u != nil {
			return u
		}
	}
	return c.Conn
}

func call(f func()) {
	if f != nil {
		f()
	}
}

// begin starts the drain of this connection, or is its turn in it. It calls
// release, which may be nil, once: when the move that it has started is over one
// way or another, at once if it has started none.
func (c *conn) begin(m mode, release func()) {
	c.mu.Lock()
	c.release = release
	v := c.life.begin(m)
	// Now: a read that ends afterwards may put another deadline in force.
	_, _ = c.carryOutLocked(verdict{deadline: v.deadline})
	c.mu.Unlock()
	leaving := c.beginKept(m)
	c.mu.Lock()
	switch leaving {
	case keptWebSocket: // its handler learns of the move by its read
		v.turn = turnKept
		time.AfterFunc(turnBound, c.giveTurnBack)
	case keptStream: // its client does not come back, so there is nothing to spread
		c.signal.sendWithin(0)
	default:
		c.signal.sendWithin(c.home.lingerTime())
	}
	release, _ = c.carryOutLocked(verdict{turn: v.turn})
	looked, _ := c.carryOutLocked(c.lookLocked())
	c.mu.Unlock()
	call(release)
	call(looked)
	c.tellHTTP2()
}

func (c *conn) Read(p []byte) (int, error) {
	if k := c.kept.Load(); k != nil {
		if k.hijacked.Load() && c.tapped == nil {
			return k.read(p)
		}
		return k.readAhead(p)
	}
	return c.read(p)
}

func (c *conn) read(p []byte) (int, error) {
	if c.http2 != nil {
		return c.http2.Read(p)
	}
	if len(c.ahead) > 0 && len(p) > 0 {
		n := copy(p, c.ahead)
		c.ahead = c.ahead[n:]
		c.noteRead(p, n, nil)
		return n, nil
	}
	for {
		c.look()
		n, err := 0, os.ErrDeadlineExceeded
		if c.beginRead() {
			n, err = c.Conn.Read(p)
		}
		switch c.noteRead(p, n, err) {
		case actReadOn:
		case actProbe:
			if n := c.probe(p); n > 0 {
				return n, nil
			}
		default:
			return n, err
		}
	}
}

// beginRead is called before a read of the socket. It reports false if that is
// ended already.
func (c *conn) beginRead() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reading = !c.ended
	return c.reading
}

func (c *conn) Write(p []byte) (int, error) {
	if k := c.kept.Load(); k != nil {
		if c.tapped != nil {
			return k.writeRecords(p)
		}
		return k.write(p)
	}
	if c.http2 != nil {
		return c.http2.Write(p)
	}
	return c.Conn.Write(p)
}

// noteRead tells the life what a read has brought.
func (c *conn) noteRead(p []byte, n int, err error) action {
	c.mu.Lock()
	c.reading = false
	c.life.reads(len(p))
	var v verdict
	var g *goAway
	switch {
	case n > 0:
		before := c.life.preface
		v = c.life.arrived(p[:n])
		g = c.noteHTTP2Locked(p[:n], before)
	case c.life.mode == modeMove && errors.Is(err, os.ErrDeadlineExceeded):
		v = c.life.timedOut(len(p))
	}
	release, _ := c.carryOutLocked(v)
	c.mu.Unlock()
	call(release)
	if g != nil {
		c.endsBy(g)
	}
	return v.action
}

// SetReadDeadline is called by net/http before each wait and each request.
// During a drain another deadline may be in force than the one that it sets.
func (c *conn) SetReadDeadline(t time.Time) error {
	if c.isProbed() {
		return c.tapped.SetReadDeadline(t) // it is not about the wait any more
	}
	c.mu.Lock()
	c.asked = t
	if k := c.kept.Load(); k != nil {
		k.deadlineSet(t)
	}
	release, err := c.carryOutLocked(c.life.deadlineSet())
	c.mu.Unlock()
	call(release)
	return err
}

// SetDeadline sees to the read deadline as SetReadDeadline does.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// Close is where a connection moves.
func (c *conn) Close() error {
	c.mu.Lock()
	v := c.life.close()
	c.mu.Unlock()
	if v.action == actNotTwice {
		return net.ErrClosed
	}
	// A connection that did not move is served on here by another conn. That one
	// comes into the set before this one goes, so that the set is not empty.
	defer c.home.remove(c)
	defer c.giveTurnBack()
	if k := c.kept.Load(); k != nil {
		if k.close() {
			return nil
		}
		return c.wire().Close()
	}
	if v.action == actMove && c.home.depart(c) {
		return nil
	}
	return c.Conn.Close()
}

func (c *conn) giveTurnBack() {
	c.mu.Lock()
	release := c.release
	c.release = nil
	c.mu.Unlock()
	call(release)
}

// park makes c a connection that waits outside net/http, until the given time
// if that is not zero.
func (c *conn) park(a awaits, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.life.park(a)
	c.asked = until
}

// awaitsNow returns which request c waits for, and how much time is left for
// that; zero means that there is no bound.
func (c *conn) awaitsNow() (awaits, time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asked.IsZero() {
		return c.life.awaits, 0
	}
	return c.life.awaits, max(time.Until(c.asked), time.Millisecond)
}

// waits reports whether c waits for a request.
func (c *conn) waits() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.waits()
}
