package load

import (
	"crypto/tls"
	"fmt"
	"time"
)

const echoSize = 200

// ramp is the time within which the clients of a class begin.
const ramp = 300 * time.Millisecond

func runBusy(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	r := request{bytes: get(c.addr, "/")}
	c.loop(ramp, func() { c.do(r) }, func() time.Duration { return e.sizes.BusyPause })
}

func runThink(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	p := newEcho(c.addr, echoSize)
	c.loop(ramp, func() { c.do(p.next(c.rng)) }, func() time.Duration { return c.between(e.sizes.ThinkMin, e.sizes.ThinkMax) })
}

func runTLS(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	c.addr, c.config = e.tls, tlsConfig("http/1.1")
	p := newEcho(c.addr, echoSize)
	c.loop(ramp, func() { c.do(p.next(c.rng)) }, func() time.Duration { return c.between(e.sizes.ThinkMin, e.sizes.ThinkMax) })
}

// tlsConfig trusts anybody: what is tested is on loopback and has made its certificate itself.
func tlsConfig(protocols ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: protocols}
}

func runIdle(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	r := request{bytes: get(c.addr, "/")}
	c.loop(ramp+e.sizes.IdleFor, func() { c.do(r) }, func() time.Duration { return c.between(e.sizes.IdleFor/2, e.sizes.IdleFor*3/2) })
}

func runSlow(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	r := request{bytes: get(c.addr, fmt.Sprintf("/slow?d=%s", e.sizes.SlowFor)), extra: e.sizes.SlowFor}
	// Spread over the time that one takes, so that at each moment some are near their beginning and some near their end.
	c.loop(e.sizes.SlowFor, func() { c.do(r) }, func() time.Duration { return c.between(0, 50*time.Millisecond) })
}
