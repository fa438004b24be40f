package servicetest

import (
	"net"
	"sync"
)

// A gate is the listener that a service gets. Like Restarter's, its Accept
// blocks from the beginning of a drain until the service closes it, and it
// knows the connections that were accepted.
type gate struct {
	net.Listener
	reached chan struct{} // closed by the first Accept
	reach   sync.Once
	stopped chan struct{} // closed by stop
	closed  chan struct{}
	once    sync.Once

	mu    sync.Mutex
	conns []*counted
	read  chan struct{} // closed at each read of bytes
}

func newGate(l net.Listener) *gate {
	return &gate{
		Listener: l,
		reached:  make(chan struct{}),
		stopped:  make(chan struct{}),
		closed:   make(chan struct{}),
		read:     make(chan struct{}),
	}
}

func (g *gate) Accept() (net.Conn, error) {
	g.reach.Do(func() { close(g.reached) })
	for {
		select {
		case <-g.closed:
			return nil, net.ErrClosed
		default:
		}
		c, err := g.Listener.Accept()
		if err == nil {
			return g.add(c), nil
		}
		select {
		case <-g.stopped:
			<-g.closed
		case <-g.closed:
		default:
			return nil, err
		}
	}
}

func (g *gate) add(c net.Conn) net.Conn {
	w := &counted{Conn: c, gate: g}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = append(g.conns, w)
	return w
}

// stop makes Accept block.
func (g *gate) stop() {
	select {
	case <-g.stopped:
	default:
		close(g.stopped)
	}
	g.Listener.Close()
}

func (g *gate) Close() error {
	g.once.Do(func() { close(g.closed) })
	g.Listener.Close() // stop may have done it
	return nil
}

// cut closes all connections, as the hammer does.
func (g *gate) cut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range g.conns {
		c.Conn.Close()
	}
}

// bytesRead returns how many bytes the service has read from all connections,
// and what is closed when there are more.
func (g *gate) bytesRead() (int64, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var n int64
	for _, c := range g.conns {
		n += c.n
	}
	return n, g.read
}

// A counted is a service's end of a connection.
type counted struct {
	net.Conn
	gate *gate
	n    int64 // bytes read, under gate.mu
}

func (c *counted) NetConn() net.Conn { return c.Conn }

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if n > 0 {
		g := c.gate
		g.mu.Lock()
		c.n += int64(n)
		close(g.read)
		g.read = make(chan struct{})
		g.mu.Unlock()
	}
	return n, err
}
