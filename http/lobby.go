package http

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
)

// A lobby is where adopted connections wait until their clients send
// something. Only then does net/http get them, which serves the lobby like any
// listener. It could wait for them itself, but it would keep buffers and a large
// stack for each meanwhile, and it would count the wait as time for reading the
// head of a request.
type lobby struct {
	*feed

	mu      sync.Mutex
	sealed  bool // nobody may come in any more
	waiting map[*conn]struct{}
	waits   sync.WaitGroup
}

func newLobby(addr net.Addr) *lobby {
	return &lobby{feed: newFeed(addr), waiting: make(map[*conn]struct{})}
}

// admit lets c wait, and reports whether there is still somebody to wait for.
func (l *lobby) admit(c *conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed {
		return false
	}
	l.waiting[c] = struct{}{}
	l.waits.Go(func() {
		taken := c.await() && l.feed.feed(c)
		l.mu.Lock()
		delete(l.waiting, c)
		l.mu.Unlock()
		if !taken {
			c.Close()
		}
	})
	return true
}

// Close ends the lobby and the connections that wait in it.
func (l *lobby) Close() error {
	l.mu.Lock()
	l.sealed = true
	var all []*conn
	for c := range l.waiting {
		all = append(all, c)
	}
	l.mu.Unlock()
	for _, c := range all {
		c.Close()
	}
	return l.feed.Close()
}

// seal lets nobody in any more. Those that wait go on.
func (l *lobby) seal() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sealed = true
}

// wait waits until nobody waits any more, or for ctx: somebody may be on the way
// to a successor that does not answer.
func (l *lobby) wait(ctx context.Context) {
	over := make(chan struct{})
	go func() { l.waits.Wait(); close(over) }()
	select {
	case <-over:
	case <-ctx.Done():
	}
}

// await returns when the client of an adopted connection has sent something: a
// request begins, and is net/http's. If it reports false the connection is to
// be closed, which may move it on.
func (c *conn) await() bool {
	c.mu.Lock()
	c.setDeadline(c.deadline())
	c.mu.Unlock()
	for {
		n, err := c.Conn.Read(c.first[:])
		// Empty lines may come before a request (RFC 9112, 2.2). net/http
		// skips them after a POST, but another process may have seen that.
		if n == 1 && (c.first[0] == '\r' || c.first[0] == '\n') {
			continue
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if n == 0 {
			c.moving = c.drain == modeMove && errors.Is(err, os.ErrDeadlineExceeded)
			return false
		}
		c.inLobby, c.ahead = false, true
		c.clean = false
		c.settle()
		c.setDeadline(c.deadline())
		return true
	}
}
