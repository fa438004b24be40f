package clients

import (
	"fmt"
	"time"
)

// ramp is the time over which the clients of a class begin.
const ramp = 300 * time.Millisecond

func runBusy(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	r := request{bytes: get(c.host(c.addr), c.path())}
	c.loop(ramp, func() { c.do(r) }, func() time.Duration { return e.sizes.BusyPause })
}

func runIdle(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	r := request{bytes: get(c.host(c.addr), c.path())}
	c.loop(ramp+e.sizes.IdleFor, func() { c.do(r) }, func() time.Duration { return c.between(e.sizes.IdleFor/2, e.sizes.IdleFor*3/2) })
}

func runThink(e *env, class *Class, i int) { newClient(e, class, i).think() }

// runTLS is runThink over TLS.
func runTLS(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	c.addr, c.config = e.TLS, e.tlsConfig("http/1.1")
	c.think()
}

// think sends a POST, or a GET if only a URL is known, after random pauses.
func (c *client) think() {
	next := func() request { return request{bytes: get(c.host(c.addr), c.path())} }
	if c.URL == nil {
		p := newEcho(c.addr, echoSize)
		next = func() request { return p.next(c.rng) }
	}
	c.loop(ramp, func() { c.do(next()) }, func() time.Duration { return c.between(c.sizes.ThinkMin, c.sizes.ThinkMax) })
}

func runSlow(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	r := request{bytes: get(c.addr, fmt.Sprintf("/slow?d=%s", e.sizes.SlowFor)), extra: e.sizes.SlowFor}
	// Spread over the time that one takes: at each moment some requests are near their beginning and some near their end.
	c.loop(e.sizes.SlowFor, func() { c.do(r) }, func() time.Duration { return c.between(0, 50*time.Millisecond) })
}
