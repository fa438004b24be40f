package load

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// lifeline watches over the first connection of a client: it is alive until that connection ends, for whatever reason.
type lifeline struct {
	first atomic.Pointer[rawhttp.Socket]
	ended atomic.Bool
	left  func() // closes the client's connection, set when the client has ended
}

// opened tells of each connection as it is opened; only the first one counts.
func (l *lifeline) opened(s *rawhttp.Socket) {
	if !l.first.CompareAndSwap(nil, s) {
		l.ended.Store(true)
	}
}

func (l *lifeline) end() { l.ended.Store(true) }

func (l *lifeline) alive() bool {
	s := l.first.Load()
	return s != nil && !l.ended.Load() && s.Peek() != rawhttp.PendingEnd
}

// afterLoss is how long a client rests after a loss, so that a server that is down is not counted down by a busy loop.
const afterLoss = 20 * time.Millisecond

// client keeps one connection and sends one request after the other. It belongs to one goroutine.
type client struct {
	*env
	books  *tally.Class
	life   *lifeline
	addr   string
	config *tls.Config // nil for plain
	buffer int         // receive buffer, 0 for the system's

	conn  *rawhttp.Conn
	rng   *rand.Rand
	timer *time.Timer
}

func newClient(e *env, c *Class, i int) *client {
	return &client{
		env: e, books: c.Books, life: c.lives[i], addr: e.plain,
		rng: rand.New(rand.NewPCG(uint64(i), uint64(len(c.Books.Name)))), timer: time.NewTimer(0),
	}
}

// loop calls once after each pause until the load stops. The clients of a class begin at different times.
func (c *client) loop(spread time.Duration, once func(), pause func() time.Duration) {
	// The connection is opened at once, so that it lives from first to last.
	// A failure shows again, and is entered, with the first request.
	_ = c.dial()
	if !c.sleep(c.between(0, spread)) {
		c.atEnd()
		return
	}
	for {
		once()
		if !c.sleep(pause()) {
			c.atEnd()
			return
		}
	}
}

// atEnd leaves the connection open, so that the survivors can be counted; Fleet.Close closes it.
func (c *client) atEnd() {
	c.timer.Stop()
	if conn := c.conn; conn != nil {
		c.life.left = func() { _ = conn.Close() }
	}
}

// sleep returns false when the load stops.
func (c *client) sleep(d time.Duration) bool {
	if c.stop.Err() != nil {
		return false
	}
	if d <= 0 {
		return true
	}
	c.timer.Reset(d)
	select {
	case <-c.timer.C:
		return true
	case <-c.stop.Done():
		return false
	}
}

func (c *client) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(c.rng.Int64N(int64(high-low)))
}

// dial opens a connection if there is none.
func (c *client) dial() error {
	if c.conn != nil {
		return nil
	}
	conn, err := rawhttp.DialBuffer(context.Background(), c.addr, c.config, c.timeout, c.buffer)
	if err != nil {
		return err
	}
	c.conn = conn
	c.life.opened(conn.Socket())
	return nil
}

// ready makes sure of a connection that, as far as can be seen, the server has not closed.
func (c *client) ready() error {
	if c.conn != nil && c.conn.IdleClosed() {
		c.books.ClosedIdle()
		c.drop()
	}
	return c.dial()
}

func (c *client) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
		c.life.end()
	}
}

// settle closes the connection in good order when the last response announced it.
func (c *client) settle() {
	if c.conn != nil && c.conn.Announced {
		c.books.AnnouncedClose()
		c.drop()
	}
}

// lost enters a request that failed, and drops the connection: what comes on it now belongs to nobody.
func (c *client) lost(start time.Time, received int64, err error) {
	answers := 0
	if c.conn != nil {
		answers = c.conn.Answers
	}
	c.books.Record(start, time.Now(), received, fmt.Errorf("%w (after %d answers on this connection)", err, answers))
	c.drop()
	c.sleep(afterLoss)
}

// request is one request and what its answer must be.
type request struct {
	bytes []byte
	sink  func([]byte) error
	// check is called after a complete answer.
	check func() error
	extra time.Duration // how long the answer was asked to take
}

// do sends a request and enters how it ended. On a connection already open, it first looks whether that was closed.
func (c *client) do(r request) (ok bool) {
	start := time.Now()
	if err := c.ready(); err != nil {
		c.lost(start, 0, err)
		return false
	}
	return c.exchange(start, r)
}

func (c *client) exchange(start time.Time, r request) (ok bool) {
	_ = c.conn.SetDeadline(start.Add(c.timeout + r.extra))
	werr := c.conn.Write(r.bytes)
	// Even after a failed write: the server may have answered before it closed.
	resp, err := c.conn.ReadResponse(r.sink)
	if err != nil && werr != nil {
		err = werr
	}
	if err == nil {
		err = judge(resp, r.check)
	}
	end := time.Now()
	if err != nil {
		c.lost(start, c.conn.Received(), err)
		return false
	}
	c.books.RecordLatency(start, end, max(0, end.Sub(start)-r.extra), c.conn.Received(), nil)
	c.settle()
	return true
}

func judge(resp rawhttp.Response, check func() error) error {
	if resp.Status != 200 {
		return fmt.Errorf("%w: status %d", tally.ErrWrong, resp.Status)
	}
	if check != nil {
		return check()
	}
	return nil
}

// echo is a POST whose body must come back.
type echo struct {
	head, body []byte
	buf        []byte
	got        int
	differs    bool
}

func newEcho(host string, size int) *echo {
	return &echo{
		head: fmt.Appendf(nil, "POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", host, size),
		body: make([]byte, size),
	}
}

// next returns the request with a new body.
func (e *echo) next(rng *rand.Rand) request {
	fill(rng, e.body)
	e.buf = append(append(e.buf[:0], e.head...), e.body...)
	e.got, e.differs = 0, false
	return request{bytes: e.buf, sink: e.sink, check: e.check}
}

func (e *echo) sink(b []byte) error {
	if e.got+len(b) > len(e.body) || !bytes.Equal(b, e.body[e.got:e.got+len(b)]) {
		e.differs = true
	}
	e.got += len(b)
	return nil
}

func (e *echo) check() error {
	if e.differs || e.got != len(e.body) {
		return fmt.Errorf("%w: %d bytes sent, %d others came back", tally.ErrWrong, len(e.body), e.got)
	}
	return nil
}

func get(host, path string, headers ...string) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, host)
	for _, h := range headers {
		b = append(append(b, h...), '\r', '\n')
	}
	return append(b, '\r', '\n')
}
