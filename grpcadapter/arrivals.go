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

// A listener notes the connections that it accepts.
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

// arrivals are the connections from which no byte has been read yet.
type arrivals struct {
	mu      sync.Mutex
	conns   map[*conn]stage
	changed chan struct{} // nil if nobody waits; closed by the next change
}

// A stage is how far an arrival has come.
type stage int

const (
	stageAccepted stage = iota // the Server may not have seen it yet
	stageReading               // the Server reads, or waits for the first byte
)

func newArrivals() *arrivals { return &arrivals{conns: make(map[*conn]stage)} }

// A conn is a connection that is an arrival until its first byte has been read.
type conn struct {
	net.Conn
	arrivals *arrivals

	reading atomic.Bool // Read was called
	arrived atomic.Bool // no arrival any more
}

func (a *arrivals) add(nc net.Conn) net.Conn {
	c := &conn{Conn: nc, arrivals: a}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.conns[c] = stageAccepted
	return c
}

func (c *conn) Read(b []byte) (int, error) {
	if c.arrived.Load() {
		return c.Conn.Read(b)
	}
	if !c.reading.Swap(true) {
		c.arrivals.read(c)
	}
	n, err := c.Conn.Read(b)
	if (n > 0 || err != nil) && !c.arrived.Swap(true) {
		c.arrivals.remove(c)
	}
	return n, err
}

func (c *conn) Close() error {
	if !c.arrived.Swap(true) {
		c.arrivals.remove(c)
	}
	return c.Conn.Close()
}

// The methods that transport credentials may look for.

func (c *conn) NetConn() net.Conn { return c.Conn }

func (c *conn) SyscallConn() (syscall.RawConn, error) {
	if sc, ok := c.Conn.(syscall.Conn); ok {
		return sc.SyscallConn()
	}
	return nil, errors.ErrUnsupported
}

func (a *arrivals) read(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.conns[c]; ok {
		a.conns[c] = stageReading
	}
	a.changeLocked()
}

func (a *arrivals) remove(c *conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.conns, c)
	a.changeLocked()
}

func (a *arrivals) changeLocked() {
	if a.changed != nil {
		close(a.changed)
		a.changed = nil
	}
}

// settle waits until the Server has seen every connection, but no longer than
// silence: nothing makes a Server read from each.
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

// unsettled returns nil if the Server has seen every connection, else a channel
// that is closed by the next change.
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

// closeSilent closes the connections from which no byte has been read.
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
