package clients

import (
	"errors"
	"slices"
	"time"

	"example.com/restart/storm/internal/rawhttp"
)

var errHalfSent = errors.New("closed without announcement when half of a pipelined request was sent")

// runPipeline sends two requests at once, the second one cut within its first line: when the server has answered all that
// it has read whole, part of a request is already in its buffer.
func runPipeline(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	first := get(c.host(c.addr), c.path())
	// sent is how many bytes of the second request go with the first one. They end within its first line.
	second, sent := get(c.addr, "/?pipelined"), len("GET /?pipe")
	if c.URL != nil {
		second, sent = first, len("GET /")
	}
	head := slices.Concat(first, second[:sent])
	round := func() {
		start := time.Now()
		if err := c.ready(); err != nil {
			c.lost(start, 0, err)
			return
		}
		_ = c.conn.SetDeadline(start.Add(c.Timeout))
		resp, err := c.conn.RoundTrip(head, nil)
		if err == nil {
			err = judge(resp, nil)
		}
		if err != nil {
			// Both requests were sent, and the client cannot know which of them the server took.
			received := c.conn.Received()
			c.counts.Record(start, time.Now(), 0, err)
			c.lost(start, received, err)
			return
		}
		c.counts.Record(start, time.Now(), c.conn.Received(), nil)
		if c.conn.Announced {
			// RFC 9112, 9.6: the server has not processed the requests after the one that it answered with "close". They
			// may be sent again, whatever their method, and are not lost.
			c.closeAnnounced()
			c.counts.Resent()
			c.do(request{bytes: second})
			return
		}
		c.pauseWithin(c.between(2*time.Millisecond, 20*time.Millisecond))
		start = time.Now()
		// Not ready(): half of the request is on this connection, so a close is a loss here.
		if c.conn.Socket().Peek() == rawhttp.PendingEnd {
			c.lost(start, 0, errHalfSent)
			return
		}
		c.exchange(start, request{bytes: second[sent:]})
	}
	c.loop(ramp, round, func() time.Duration { return c.between(e.sizes.ThinkMin, e.sizes.ThinkMax) })
}

// pauseWithin sleeps within a request. It does not end with the load, which would lose the half request by storm's own
// doing.
func (c *client) pauseWithin(d time.Duration) {
	c.timer.Reset(d)
	<-c.timer.C
}
