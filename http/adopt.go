package restarthttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"
)

// The new process's side of a move. A connection that has moved waits outside
// net/http for the first byte of its next request. Then net/http gets it.

var errNotYet = errors.New("restart/http: adopt a connection: the server does not serve yet")

// adopt takes a connection from the predecessor, see Server.Adopt.
func (r *run) adopt(socket net.Conn, state []byte) error {
	m, err := parseMoved(state, r.mover)
	if err != nil {
		return err
	}
	nc, err := r.mover.attach(socket, m.State)
	if err != nil {
		return err
	}
	if err := r.checkTLS(nc); err != nil {
		return err
	}
	c := r.newConn(nc)
	if m.Kept != nil {
		if !r.resume(c, m.Kept, false) {
			return http.ErrServerClosed
		}
		return nil
	}
	c.park(m.awaits(), r.waitUntil(m))
	if !r.parked.admit(c) {
		return http.ErrServerClosed
	}
	return nil
}

// resume has net/http read the request of c, which is not over, once more. It
// reports false, and leaves c to the caller, if it cannot. dead says that the
// handler is to see an end.
func (r *run) resume(c *conn, q *keptRequest, dead bool) bool {
	k := resumeKept(c, q)
	k.dead.Store(dead)
	c.ahead = q.replay()
	c.kept.Store(k)
	c.mu.Lock()
	c.life.unpark()
	c.mu.Unlock()
	r.resumes.Store(true)
	return r.parked.admit(c)
}

// waitUntil is when the wait for a request times out, zero if never. A
// connection that has had a request is idle. One that has not must send one:
// net/http would count from when it was accepted. The time that was left in the
// predecessor is a bound too, so that restarts keep no silent connection alive.
func (r *run) waitUntil(m moved) time.Time {
	bound := idleTimeout(r.server.HTTP)
	if m.awaits() == awaitsFirst {
		bound = readHeaderTimeout(r.server.HTTP)
	}
	if left := m.left(); left > 0 && (bound <= 0 || left < bound) {
		bound = left
	}
	if bound <= 0 {
		return time.Time{}
	}
	return time.Now().Add(bound)
}

// idleTimeout is what net/http uses, as documented at the field.
func idleTimeout(s *http.Server) time.Duration {
	if s.IdleTimeout != 0 {
		return s.IdleTimeout
	}
	return s.ReadTimeout
}

// readHeaderTimeout is what net/http uses, as documented at the field.
func readHeaderTimeout(s *http.Server) time.Duration {
	if s.ReadHeaderTimeout != 0 {
		return s.ReadHeaderTimeout
	}
	return s.ReadTimeout
}

// A parked holds connections that wait outside net/http. They could wait inside,
// but net/http would keep buffers and a large stack for each, and would count
// the wait as time for reading the head of a request. net/http serves parked
// like any listener.
type parked struct {
	*connListener
	conns *conns
	serve func(net.Listener) error // net/http's

	mu      sync.Mutex
	stopped bool // nobody may come any more
	start   sync.Once
	waits   sync.WaitGroup
	serving sync.WaitGroup
}

func newParked(addr net.Addr, s *conns, serve func(net.Listener) error) *parked {
	return &parked{connListener: newConnListener(addr), conns: s, serve: serve}
}

// admit lets c wait. It reports false, and leaves c to the caller, after
// stopAdmitting.
func (p *parked) admit(c *conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped {
		return false
	}
	// net/http serves several listeners side by side. It gets this one when the
	// first connection comes, and stops serving it with the others. All this is
	// done under the lock: a drain that has stopped admitting must know of c.
	p.start.Do(func() { p.serving.Go(func() { _ = p.serve(p) }) })
	p.conns.add(c)
	p.waits.Go(func() {
		if !c.keeps() && !c.awaitByte() || !p.deliver(c.served()) {
			c.Close()
		}
	})
	return true
}

// awaitByte returns when the client of a parked connection has sent something: a
// request begins. If it reports false the connection is to be closed, which may
// move it on.
func (c *conn) awaitByte() bool {
	c.mu.Lock()
	release, _ := c.carryOutLocked(verdict{deadline: c.life.deadline()})
	c.mu.Unlock()
	call(release)
	for {
		n, err := c.Conn.Read(c.first[:])
		switch {
		case n == 0:
			c.noteRead(nil, 0, err)
			return false
		case emptyLines(c.first[:]):
			// Empty lines may come before a request (RFC 9112, 2.2). net/http
			// skips them after a POST, but another process may have seen that.
		default:
			c.unpark()
			return true
		}
	}
}

func (c *conn) unpark() {
	c.mu.Lock()
	c.ahead = c.first[:]
	c.asked = time.Time{} // net/http will ask
	release, _ := c.carryOutLocked(c.life.unpark())
	c.mu.Unlock()
	call(release)
}

// closeParked closes c if it waits outside net/http.
func (c *conn) closeParked() {
	c.mu.Lock()
	waits := c.life.stage == stageParked
	c.mu.Unlock()
	if waits {
		c.Close()
	}
}

// stopAdmitting makes admit refuse from now on. Those that wait go on waiting.
func (p *parked) stopAdmitting() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped = true
}

// Close ends parked and closes the connections that wait. net/http calls it when
// it shuts down or closes.
func (p *parked) Close() error {
	p.stopAdmitting()
	for _, c := range p.conns.list() {
		c.closeParked()
	}
	return p.connListener.Close()
}

// wait waits until nobody waits any more, or for ctx: somebody may be on the way
// to a successor that does not answer. Nobody may come any more.
func (p *parked) wait(ctx context.Context) {
	over := make(chan struct{})
	go func() { p.waits.Wait(); close(over) }()
	await(ctx, over)
}
