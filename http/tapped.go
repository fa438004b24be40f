package restarthttp

import (
	"crypto/rand"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart/internal/tlskeylog"
	"example.com/restart/internal/tlsrec"
	"example.com/restart/internal/tlstap"
)

// A tapped is the socket of a connection that crypto/tls serves and that may
// move. Nothing is asked of crypto/tls and net/http but what they promise:
//
// When the wait for a request was ended, crypto/tls is given a request that we
// make with the client's key: the probe. From then on it is cut off: its reads
// wait, what it writes goes nowhere. net/http calls the handler for the probe,
// ours, which hijacks the connection. What stood before the probe in net/http's
// buffer is at the beginning of its method. Closing the connection then makes
// crypto/tls write close_notify, whose number is that of the next record.
//
// A failure after the probe loses the connection. All that can be checked is
// checked before, and selfCheckTLS has tried the rest.
type tapped struct {
	net.Conn
	tap   *tlstap.Tap
	above *tls.Conn // set before the first read

	cutOff atomic.Bool // crypto/tls has no part in the connection any more
	probed atomic.Bool // it has read the probe

	mu     sync.Mutex
	proof  *tlstap.Proof // nil before the cut
	woken  chan struct{} // ends the reads of crypto/tls; made with proof
	notify []byte        // what it has written since
	left   *leftBehind   // nil until net/http has given up the connection
}

// A leftBehind is what net/http had of a connection.
type leftBehind struct {
	plain []byte // read, and not acted upon
	state tls.ConnectionState
}

func newTapped(socket net.Conn, log *tlskeylog.Log) *tapped {
	return &tapped{Conn: socket, tap: tlstap.New(log)}
}

// probeMethod cannot be guessed. It counts only where a probe was read.
var probeMethod = sync.OnceValue(func() string { return "MOVE-" + rand.Text() })

func probeRequest() []byte { return []byte(probeMethod() + " / HTTP/1.1\r\nHost: probe\r\n\r\n") }

var (
	errShortRead = errors.New("restart/http: crypto/tls reads too little at a time")
	errNotHTTP1  = errors.New("restart/http: the connection does not speak HTTP/1")
	errNoState   = errors.New("restart/http: net/http has not given the connection up for the probe")
)

// forge makes crypto/tls read the probe: it returns its length in p. After an
// error nothing has changed. The caller is a read that brought nothing.
func (t *tapped) forge(p []byte, a awaits) (int, error) {
	if a == awaitsFirst && !t.speaksHTTP1() {
		return 0, errNotHTTP1
	}
	f, err := t.tap.Forge(probeRequest())
	if err != nil {
		return 0, err
	}
	if len(f.Record) > len(p) {
		f.Wipe()
		return 0, errShortRead
	}
	t.cut(&f.Proof, true)
	return copy(p, f.Record), nil
}

// cut cuts crypto/tls off.
func (t *tapped) cut(p *tlstap.Proof, probed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.proof, t.woken = p, make(chan struct{})
	t.probed.Store(probed)
	t.cutOff.Store(true)
}

// speaksHTTP1 says what the handshake, which is over, has agreed upon.
func (t *tapped) speaksHTTP1() bool {
	if t.above == nil {
		return false
	}
	cs := t.above.ConnectionState() // would wait for itself in a handshake, see newLife
	return cs.HandshakeComplete && servesHTTP1(cs)
}

func servesHTTP1(cs tls.ConnectionState) bool {
	return cs.NegotiatedProtocol == "" || cs.NegotiatedProtocol == "http/1.1"
}

func (t *tapped) Read(p []byte) (int, error) {
	if t.cutOff.Load() {
		t.mu.Lock()
		woken := t.woken
		t.mu.Unlock()
		<-woken
		return 0, os.ErrDeadlineExceeded
	}
	n, err := t.Conn.Read(p)
	t.tap.In(p[:n])
	return n, err
}

func (t *tapped) Write(p []byte) (int, error) {
	if t.cutOff.Load() {
		t.mu.Lock()
		t.notify = append(t.notify, p...)
		t.mu.Unlock()
		return len(p), nil
	}
	n, err := t.Conn.Write(p)
	t.tap.Out(p[:n])
	return n, err
}

// SetReadDeadline ends a read of net/http in the background: Hijack sets a
// deadline in the past for that. Nobody else has to do with the socket's deadline
// when crypto/tls is cut off.
func (t *tapped) SetReadDeadline(at time.Time) error {
	if !t.cutOff.Load() {
		return t.Conn.SetReadDeadline(at)
	}
	if !at.IsZero() && at.Before(time.Now()) {
		t.wake()
	}
	return nil
}

func (t *tapped) wake() {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-t.woken:
	default:
		if t.woken != nil {
			close(t.woken)
		}
	}
}

// SetWriteDeadline is called by crypto/tls when it closes.
func (t *tapped) SetWriteDeadline(at time.Time) error {
	if t.cutOff.Load() {
		return nil
	}
	return t.Conn.SetWriteDeadline(at)
}

func (t *tapped) SetDeadline(at time.Time) error {
	return errors.Join(t.SetReadDeadline(at), t.SetWriteDeadline(at))
}

// SyscallConn is for handlers that ask for the options of the socket.
func (t *tapped) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := t.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

// Close closes the socket and forgets the secrets.
func (t *tapped) Close() error {
	t.wake()
	t.tap.Drop()
	return t.Conn.Close()
}

// leave notes what net/http had when it gave the connection up.
func (t *tapped) leave(l *leftBehind) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.left = l
}

// export returns the socket and the state of crypto/tls, which has closed. held
// is how many records it has written that did not come here.
func (t *tapped) export(held int) (net.Conn, *tlsrec.State, error) {
	t.wake()
	defer t.tap.Drop()
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.proof == nil || t.left == nil {
		return nil, nil, errNoState
	}
	s, err := t.tap.Export(t.proof, t.notify, held)
	if err != nil {
		return nil, nil, err
	}
	s.Plain, s.Description = t.left.plain, tlsrec.Describe(t.left.state)
	return t.Conn, s, nil
}

// probe is called when a read was ended for a move. It returns how many bytes of
// the probe are in p; zero: the read goes on.
func (c *conn) probe(p []byte) int {
	c.mu.Lock()
	a := c.life.awaits
	c.mu.Unlock()
	n, err := c.tapped.forge(p, a)
	c.mu.Lock()
	var v verdict
	switch {
	case err == nil:
		c.life.probed()
	case errors.Is(err, tlstap.ErrUnderway):
		v = c.life.begun()
	default:
		v = c.life.stays()
	}
	fixed := c.life.mobility == fixed
	release, _ := c.carryOutLocked(v)
	c.mu.Unlock()
	call(release)
	if k := c.kept.Load(); k != nil && fixed {
		k.end()
	}
	return n
}

// lookLocked finds out whether what has come while c waits is part of a request.
// It decrypts a record, and it must be under the lock: the record that a read
// brings at this moment is either seen, or told to the life afterwards.
func (c *conn) lookLocked() (v verdict) {
	if c.tapped == nil || !c.life.mayBeQuiet() {
		return v
	}
	switch quiet, err := c.tapped.tap.Quiet(); {
	case err != nil:
		return c.life.stays()
	case quiet:
		return c.life.quiet()
	}
	return v
}

// look is lookLocked before a read.
func (c *conn) look() {
	if c.tapped == nil {
		return
	}
	c.mu.Lock()
	release, _ := c.carryOutLocked(c.lookLocked())
	c.mu.Unlock()
	call(release)
}

// isProbed reports whether net/http serves the probe on c.
func (c *conn) isProbed() bool { return c.tapped != nil && c.tapped.probed.Load() }

// takeOut is the handler of the probe: it takes the connection from net/http and
// closes it, which moves it. It returns what net/http had, and reports false if
// this is a request of the client's.
func (c *conn) takeOut(w http.ResponseWriter, req *http.Request) (net.Conn, bool) {
	if !c.isProbed() {
		return nil, false
	}
	nc, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler) // the server was closed
	}
	plain, ok := strings.CutSuffix(req.Method, probeMethod())
	if t, isTLS := nc.(*tls.Conn); ok && isTLS && rw.Reader.Buffered() == 0 {
		c.tapped.leave(&leftBehind{plain: []byte(plain), state: t.ConnectionState()})
		c.mu.Lock()
		c.life.taken()
		c.mu.Unlock()
	}
	nc.Close() // crypto/tls closes c
	return nc, true
}

// untap forgets the secrets of a connection that will not move.
func (c *conn) untap() {
	if c.tapped != nil {
		c.tapped.tap.Drop()
	}
}

// A secure is what net/http gets of a connection that came with TLS: by its
// ConnectionState, requests have their TLS field.
type secure struct {
	*conn
	tls *tlsrec.Conn
}

func (s *secure) ConnectionState() tls.ConnectionState { return s.tls.ConnectionState() }

// served returns what net/http gets of c.
func (c *conn) served() net.Conn {
	if t, ok := c.Conn.(*tlsrec.Conn); ok {
		return &secure{c, t}
	}
	return c
}
