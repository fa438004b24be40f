package http

import (
	"context"
	"net"
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
