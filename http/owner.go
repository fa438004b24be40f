package http

import (
	"net"
	"time"
)

// An owner is what a connection needs to know of its server.
type owner interface {
	move(net.Conn) bool        // to the successor; false: it stays the caller's
	remove(*conn)              // it is closed or has moved
	lingerTime() time.Duration // see Server.Linger
	idleDeadline() time.Time   // for a connection that waits from now on
}

// move implements owner, as do those below. Where the successor does not take
// the connection, it is served on here.
func (k *core) move(c net.Conn) bool {
	if send := k.send.Load(); send != nil && (*send)(c) == nil {
		return true
	}
	return k.keep(c)
}

// keep serves a connection on that could not move, until it can be closed.
func (k *core) keep(c net.Conn) bool {
	c.SetReadDeadline(time.Time{}) // it was in the past, to end the wait
	return k.admit(k.wrap(c, true))
}

func (k *core) remove(c *conn) { k.fleet.remove(c) }

func (k *core) lingerTime() time.Duration { return time.Duration(k.linger.Load()) }

func (k *core) idleDeadline() time.Time {
	d := k.server.IdleTimeout
	if d == 0 {
		d = k.server.ReadTimeout
	}
	if d <= 0 {
		return time.Time{}
	}
	return time.Now().Add(d)
}
