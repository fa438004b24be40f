package clients

import (
	"context"
	"crypto/tls"
	"fmt"
	"math/rand/v2"
	"time"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// afterLoss is the pause of a client after a loss. Without it a few clients would count a server that is down thousands
// of times.
const afterLoss = 20 * time.Millisecond

// client keeps one connection and sends one request after the other. It belongs to one goroutine.
type client struct {
	*env
	counts *tally.Class
	first  *firstConn
	addr   string
	config *tls.Config // nil for plain HTTP
	buffer int         // receive buffer in bytes, 0 for the system's

	conn  *rawhttp.Conn
	rng   *rand.Rand
	timer *time.Timer
}

func newClient(e *env, c *Class, i int) *client {
	addr, config := e.baseAddr()
	return &client{
		env: e, counts: c.Counts, first: c.firsts[i], addr: addr, config: config,
		rng: rand.New(rand.NewPCG(uint64(i), uint64(len(c.Counts.Name)))), timer: time.NewTimer(0),
	}
}

// loop calls once after each pause until the load stops. The first calls of a class are spread over the given time.
func (c *client) loop(spread time.Duration, once func(), pause func() time.Duration) {
	// The connection is opened at once, so that it can live from first to last. If that fails, the first request fails
	// too, and counts.
	_ = c.dial()
	if !c.sleep(c.between(0, spread)) {
		c.leaveOpen()
		return
	}
	for {
		once()
		if !c.sleep(pause()) {
			c.leaveOpen()
			return
		}
	}
}

// leaveOpen leaves the connection to Group.Close, so that the survivors can be counted.
func (c *client) leaveOpen() {
	c.timer.Stop()
	if conn := c.conn; conn != nil {
		c.first.closeConn = func() { _ = conn.Close() }
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
	conn, err := rawhttp.DialBuffer(context.Background(), c.addr, c.config, c.Timeout, c.buffer)
	if err != nil {
		return err
	}
	c.conn = conn
	c.first.opened(conn.Socket())
	return nil
}

// ready opens a new connection if there is none, or if the server is seen to have closed it.
func (c *client) ready() error {
	if c.conn != nil && c.conn.IdleClosed() {
		c.counts.ClosedIdle()
		c.drop()
	}
	return c.dial()
}

func (c *client) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
		c.first.end()
	}
}

// closeAnnounced closes the connection if the last response announced its end.
func (c *client) closeAnnounced() {
	if c.conn != nil && c.conn.Announced {
		c.counts.AnnouncedClose()
		c.drop()
	}
}

// lost counts a request that failed, and drops the connection: later bytes on it would answer no request.
func (c *client) lost(start time.Time, received int64, err error) {
	answers := 0
	if c.conn != nil {
		answers = c.conn.Answers
	}
	c.counts.Record(start, time.Now(), received, fmt.Errorf("%w (after %d answers on this connection)", err, answers))
	c.drop()
	c.sleep(afterLoss)
}

// request is one request and the check of its answer.
type request struct {
	bytes []byte
	sink  func([]byte) error
	// check is called after a complete answer.
	check func() error
	extra time.Duration // how long the server was asked to wait
}

// do sends a request and counts its outcome. It first looks whether the server has closed the connection.
func (c *client) do(r request) {
	start := time.Now()
	if err := c.ready(); err != nil {
		c.lost(start, 0, err)
		return
	}
	c.exchange(start, r)
}

// exchange sends a request on the connection as it is, and counts its outcome.
func (c *client) exchange(start time.Time, r request) {
	_ = c.conn.SetDeadline(start.Add(c.Timeout + r.extra))
	resp, err := c.conn.RoundTrip(r.bytes, r.sink)
	if err == nil {
		err = judge(resp, r.check)
	}
	end := time.Now()
	if err != nil {
		c.lost(start, c.conn.Received(), err)
		return
	}
	c.counts.RecordLatency(start, end, max(0, end.Sub(start)-r.extra), c.conn.Received(), nil)
	c.closeAnnounced()
}
