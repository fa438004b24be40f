package load

import (
	"errors"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

var errHalf = errors.New("closed unannounced with half of a pipelined request on the wire")

// runPipeline sends two requests at once, the second one cut in the middle of its first line: while the server has
// nothing left to answer, part of a request is already in its buffer.
func runPipeline(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	first := get(c.addr, "/")
	second := get(c.addr, "/?pipelined")
	const cut = len("GET /?pipe")
	head := append(append([]byte(nil), first...), second[:cut]...)
	round := func() {
		start := time.Now()
		if err := c.ready(); err != nil {
			c.lost(start, 0, err)
			return
		}
		_ = c.conn.SetDeadline(start.Add(c.timeout))
		werr := c.conn.Write(head)
		resp, err := c.conn.ReadResponse(nil)
		if err != nil && werr != nil {
			err = werr
		}
		if err == nil {
			err = judge(resp, nil)
		}
		if err != nil {
			// Both were on the wire, and nothing told the client which of them had been taken.
			received := c.conn.Received()
			c.books.Record(start, time.Now(), 0, err)
			c.lost(start, received, err)
			return
		}
		c.books.Record(start, time.Now(), c.conn.Received(), nil)
		if c.conn.Announced {
			// RFC 9112, 9.6: what follows the request that was answered with "close" has not been processed. It may be
			// sent again, whatever its method, and is not lost.
			c.settle()
			c.books.Resent()
			c.do(request{bytes: second})
			return
		}
		c.pause(c.between(2*time.Millisecond, 20*time.Millisecond))
		start = time.Now()
		// Not ready: half of the request is on this connection, so a close here is a loss.
		if c.conn.Socket().Peek() == rawhttp.PendingEnd {
			c.lost(start, 0, errHalf)
			return
		}
		c.exchange(start, request{bytes: second[cut:]})
	}
	c.loop(ramp, round, func() time.Duration { return c.between(e.sizes.ThinkMin, e.sizes.ThinkMax) })
}

// pause sleeps within a request: it does not end with the load, for then the half request would be lost by our doing.
func (c *client) pause(d time.Duration) {
	c.timer.Reset(d)
	<-c.timer.C
}
