package restart

import (
	"context"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"example.com/restart/internal/fdutil"
)

// A phase says what Accept does.
type phase int

const (
	phaseHeld     phase = iota // blocks: not taken over yet
	phaseOpen                  // accepts
	phaseStopped               // blocks: the successor accepts
	phaseEmptying              // accepts what is queued, then blocks
	phaseClosed                // fails
)

// queueGap is how long the accept queue must have been empty to count as
// emptied, queueBound how long emptying it may take when clients keep coming.
const (
	queueGap   = 5 * time.Millisecond
	queueBound = time.Second
)

// deadliner is what the listeners of package net have.
type deadliner interface {
	net.Listener
	SetDeadline(time.Time) error
}

// A listener is what a Service accepts from: the real socket with a gate in
// front, whose connections are tracked.
//
// The service must not notice that accepting stops: it blocks in Accept until
// its Shutdown closes the listener. So the gate wakes Accept by a deadline in
// the past, which touches this process only, never by closing the socket.
type listener struct {
	real  deadliner
	conns *connSet

	mu      sync.Mutex
	phase   phase
	changed chan struct{} // closed at the next change of phase

	accepting     chan struct{} // closed by the first Accept
	acceptingOnce sync.Once
	emptied       chan struct{} // closed when the queue was found empty
	emptiedOnce   sync.Once
	inFlight      sync.WaitGroup // Accepts that may hold a connection not tracked yet
	closeOnce     sync.Once
	closeErr      error
}

func newListener(real deadliner) *listener {
	return &listener{
		real:      real,
		conns:     newConnSet(),
		changed:   make(chan struct{}),
		accepting: make(chan struct{}),
		emptied:   make(chan struct{}),
	}
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	l.acceptingOnce.Do(func() { close(l.accepting) })
	for {
		phase, changed := l.enter()
		switch phase {
		case phaseHeld, phaseStopped:
			<-changed
			continue
		case phaseClosed:
			return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
		case phaseEmptying:
			l.real.SetDeadline(time.Now().Add(queueGap))
		}
		c, err := l.real.Accept()
		if err == nil {
			t, ok := l.conns.track(c)
			l.inFlight.Done()
			if ok {
				return t, nil
			}
			c.Close()
			err = net.ErrClosed
		} else {
			l.inFlight.Done()
		}
		if l.current() != phase {
			continue // woken up to look
		}
		if phase == phaseEmptying && errors.Is(err, os.ErrDeadlineExceeded) {
			if l.pending() {
				continue // package net looks at the clock before the queue
			}
			l.emptiedOnce.Do(func() { close(l.emptied) })
			l.set(phaseStopped)
			continue
		}
		return nil, err
	}
}

// Close implements net.Listener.
func (l *listener) Close() error {
	l.set(phaseClosed)
	return l.closeReal()
}

// Addr implements net.Listener.
func (l *listener) Addr() net.Addr { return l.real.Addr() }

// isAccepting reports whether the service has called Accept.
func (l *listener) isAccepting() bool {
	select {
	case <-l.accepting:
		return true
	default:
		return false
	}
}

// open lets Accept accept.
func (l *listener) open() { l.set(phaseOpen) }

// stop makes Accept block and gives the socket up: another process has it.
// When it returns, every connection that was accepted is tracked.
func (l *listener) stop() {
	l.set(phaseStopped)
	l.real.SetDeadline(time.Now())
	l.closeReal()
	l.inFlight.Wait()
}

// empty lets the service accept what the clients of a socket that nobody else
// has are waiting for, then stops. A service that does not call Accept in time
// leaves them to be reset.
func (l *listener) empty(ctx context.Context) {
	l.set(phaseEmptying)
	l.real.SetDeadline(time.Now())
	bound := time.NewTimer(queueBound)
	defer bound.Stop()
	select {
	case <-l.emptied:
	case <-bound.C:
	case <-ctx.Done():
	}
	l.stop()
}

// enter returns the phase and what is closed when it changes. If the phase lets
// Accept go to the socket, that is in flight then.
func (l *listener) enter() (phase, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseOpen || l.phase == phaseEmptying {
		l.inFlight.Add(1)
	}
	return l.phase, l.changed
}

// pending reports whether connections wait in the accept queue.
func (l *listener) pending() bool {
	c, ok := l.real.(syscall.Conn)
	return ok && fdutil.Readable(c)
}

func (l *listener) current() phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase
}

// set changes the phase; closed is the end.
func (l *listener) set(p phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == phaseClosed || l.phase == p {
		return
	}
	l.phase = p
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *listener) closeReal() error {
	l.closeOnce.Do(func() { l.closeErr = l.real.Close() })
	return l.closeErr
}
