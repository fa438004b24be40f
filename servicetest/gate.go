package servicetest

import (
	"net"
	"sync"
)

// A gate is the listener that a service gets. Its Accept blocks from the
// beginning of a drain until the service closes it, as that of a Restarter does.
// It observes the connections that were accepted.
type gate struct {
	net.Listener
	reached chan struct{} // closed by the first Accept
	reach   sync.Once
	stopped chan struct{} // closed by stop
	stopper sync.Once
	closed  chan struct{} // closed by Close
	closer  sync.Once
	hold    *answerHold // delays the service's answers if it is not nil

	mu       sync.Mutex
	conns    []*serverConn
	progress chan struct{} // closed and replaced when the tally changes
	cutOff   chan struct{} // closed when the service closes a connection
	cutter   sync.Once
}

func newGate(l net.Listener) *gate {
	return &gate{
		Listener: l,
		reached:  make(chan struct{}),
		stopped:  make(chan struct{}),
		closed:   make(chan struct{}),
		progress: make(chan struct{}),
		cutOff:   make(chan struct{}),
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
	w := &serverConn{Conn: c, gate: g, closed: make(chan struct{})}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.conns = append(g.conns, w)
	g.progressLocked()
	return w
}

// stop makes Accept block.
func (g *gate) stop() {
	g.stopper.Do(func() { close(g.stopped) })
	g.Listener.Close()
}

func (g *gate) Close() error {
	g.closer.Do(func() { close(g.closed) })
	g.Listener.Close() // stop may have closed it
	return nil
}

// cut closes all connections, as the hammer does.
func (g *gate) cut() {
	g.mu.Lock()
	conns := g.conns
	g.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
}

// A tally is what has happened on all connections together.
type tally struct {
	accepted int
	read     int64 // bytes that the service has read
	reading  int   // Reads of the service that have not returned
	writes   int   // that the service has begun
}

// tally returns the tally now and a channel that is closed when it changes.
func (g *gate) tally() (tally, <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := tally{accepted: len(g.conns)}
	for _, c := range g.conns {
		t.read += c.read
		t.reading += c.reading
		t.writes += c.writes
	}
	return t, g.progress
}

func (g *gate) progressLocked() {
	close(g.progress)
	g.progress = make(chan struct{})
}

// A serverConn is the service's end of a connection.
type serverConn struct {
	net.Conn
	gate   *gate
	closed chan struct{} // closed by Close
	closer sync.Once

	// Under gate.mu, as in tally.
	read    int64
	reading int
	writes  int
}

func (c *serverConn) NetConn() net.Conn { return c.Conn }

func (c *serverConn) Read(b []byte) (int, error) {
	c.countRead(1, 0)
	n, err := c.Conn.Read(b)
	c.countRead(-1, n)
	return n, err
}

func (c *serverConn) countRead(reading, bytes int) {
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	c.reading += reading
	c.read += int64(bytes)
	c.gate.progressLocked()
}

func (c *serverConn) Write(b []byte) (int, error) {
	if h := c.gate.hold; h != nil {
		h.wait(c)
	}
	c.gate.mu.Lock()
	c.writes++
	c.gate.mu.Unlock()
	return c.Conn.Write(b)
}

func (c *serverConn) Close() error {
	err := c.Conn.Close() // before a held Write goes on
	c.closer.Do(func() { close(c.closed) })
	c.gate.cutter.Do(func() { close(c.gate.cutOff) })
	return err
}
