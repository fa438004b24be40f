package http

import (
	"errors"
	"time"
)

// The read deadlines of a conn. During a drain they are not always net/http's:
// one in the past ends a wait so that the connection can move, and one at the
// end of Linger closes what cannot.

// SetReadDeadline is called by net/http before each wait and each request.
func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.wait == waitNext {
		// The second time it says that the wait is over: the next request's
		// beginning was in net/http's buffer.
		if c.armed {
			c.clean = false
			c.settle()
		}
		c.armed = true
	}
	c.wanted = t
	return c.setDeadline(c.deadline())
}

// SetDeadline covers reading too.
func (c *conn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}

// setDeadline puts a read deadline in force. net/http sets none where there is
// none several times in each request; that is not worth the runtime's lock.
func (c *conn) setDeadline(t time.Time) error {
	if t.IsZero() && !c.limited {
		return nil
	}
	c.limited = !t.IsZero() || c.bared
	return c.Conn.SetReadDeadline(t)
}

// deadline is the read deadline that should be in force.
func (c *conn) deadline() time.Time {
	if !c.waiting() {
		return c.wanted
	}
	switch {
	case c.drain == modeMove && c.clean:
		return time.Unix(1, 0)
	case c.drain == modeLinger:
		return c.lingerEnd()
	case c.inLobby:
		return c.owner.idleDeadline()
	}
	return c.wanted
}

// lingerEnd is when a wait ends in modeLinger, unless net/http wants it to end
// sooner.
func (c *conn) lingerEnd() time.Time {
	end := time.Now().Add(c.owner.lingerTime())
	if !c.wanted.IsZero() && c.wanted.Before(end) {
		return c.wanted
	}
	return end
}
