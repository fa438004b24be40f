package grpcadapter

import (
	"context"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A listener notes what it accepts.
type listener struct {
	net.Listener
	arrivals *arrivals
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return l.arrivals.add(c), nil
}

// arrivals are the connections of which nothing has been read yet.
type arrivals struct {
	mu      sync.Mutex
	conns   map[*conn]stage
	changed chan struct{} // not nil: somebody waits; closed by the next change
}

// A stage says how far an arrival has come.
type stage int

const (
	stageAccepted stage = iota // the Server may not have looked at it yet
	stageAsked                 // the Server waits for its first byte
)

func newArrivals() *arrivals { return &arrivals{conns: make(map[*conn]stage)} }

// A conn is an arrival, or was: after its first byte it does nothing more.
type conn struct {
	net.Conn
	arrivals    *arrivals
	asked, over atomic.Bool
}

func (a *arrivals) add(nc net.Conn) net.Conn {
	c := &conn{Conn: nc, arrivals: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c] = stageAccepted
	return c
}

func (c *conn) Read(b []byte) (int, error) {
	if c.over.Load() {
		return c.Conn.Read(b)
	}
	if !c.asked.Swap(true) {
		c.arrivals.ask(c)
	}
	n, err := c.Conn.Read(b)
	if (n > 0 || err != nil) && !c.over.Swap(true) {
		c.arrivals.remove(c)
	}
	return n, err
}

func (c *conn) Close() error {
	if !c.over.Swap(true) {
		c.arrivals.remove(c)
	}
	return c.Conn.Close()
}

// What credentials may look for.

func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

func (a *arrivals) ask(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.conns[c]; ok {
		a.conns[c] = stageAsked
	}
	a.change()
}

func (a *arrivals) remove(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
	a.change()
}

func (a *arrivals) change() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// settle waits until the Server has looked at every connection, but not for
// ever: one may have gone to somebody else, who does not read.
func (a *arrivals) settle(ctx context.Context) {
	bound := time.NewTimer(silence)
	defer bound.Stop()
	for {
		changed := a.unsettled()
		if changed == nil {
			return
		}
		select {
		case <-changed:
		case <-bound.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// unsettled returns nil if every connection has been looked at, else what is
// closed at the next change.
func (a *arrivals) unsettled() <-chan struct{} {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.conns {
		if s == stageAccepted {
			if a.changed == nil {
				a.changed = make(chan struct{})
			}
			return a.changed
		}
	}
	return nil
}

// closeSilent closes the connections of which no byte has come.
func (a *arrivals) closeSilent() {
	a.mu.Lock()
	var silent []*conn
	for c := range a.conns {
		silent = append(silent, c)
	}
	a.mu.Unlock()
	for _, c := range silent {
		c.Close()
	}
}
