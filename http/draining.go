package http

import (
	"context"
	"math/rand/v2"
	"time"
)

// Draining returns a channel that is closed when the connection should end
// because its process drains. It is for handlers that stay on one connection
// for long, such as those of WebSockets and event streams: they should say
// goodbye (status 1001 of RFC 6455, say) and return, so that the client comes
// back to the successor. For each connection it is closed at another moment
// within the linger time, so that not all clients come back at once.
//
// ctx is the context of a request that a [Server] serves; the channel is nil,
// and so never closed, for any other.
func Draining(ctx context.Context) <-chan struct{} {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.drainSignal()
	}
	return nil
}

// drainSignal returns the channel that tells handlers of a drain.
func (c *conn) drainSignal() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.draining == nil {
		c.draining = make(chan struct{})
		c.told = false
		if c.drain != modeServe {
			c.tellHandlers()
		}
	}
	return c.draining
}

// tell tells the handler that the connection has now, if it has asked.
func (c *conn) tell() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tellHandlers()
}

// tellHandlers closes the signal at some moment within the linger time: if all
// clients came back at once, they would all come to the successor.
func (c *conn) tellHandlers() {
	if c.draining == nil || c.told {
		return
	}
	c.told = true
	ch := c.draining
	time.AfterFunc(rand.N(c.owner.lingerTime()+1), func() { close(ch) })
}
