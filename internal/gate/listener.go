// Package gate puts a gate in front of a listening socket and keeps track of the
// connections that come through it.
//
// A service that accepts must not notice that its process is not to accept yet,
// or not any more: Accept blocks then. The gate wakes a blocked Accept by a
// deadline in the past. That concerns this process only; closing the socket
// would end the service's Serve, and shutdown(2) would stop every process that
// has the socket.
package gate

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

// A Phase says what Accept does.
type Phase int

// The phases. A Listener starts as Held; Closed is the end.
const (
	Held     Phase = iota // Accept blocks: this process has not taken over yet
	Open                  // Accept accepts
	Emptying              // Accept takes what is queued, then blocks
	Paused                // Accept blocks: another process accepts, and this one may again
	Stopped               // Accept blocks: another process accepts
	Closed                // Accept fails
)

const (
	// queueGap is how long the accept queue must have been empty to count as
	// emptied. queueBound bounds emptying while clients keep coming.
	queueGap   = 5 * time.Millisecond
	queueBound = time.Second

	// shortagePause is how long Accept waits when the kernel lacks memory.
	shortagePause = 10 * time.Millisecond
)

// A Socket is a listening socket of package net.
type Socket interface {
	net.Listener
	SetDeadline(time.Time) error
}

// A Listener is what a service accepts from. Its methods may be called by
// several goroutines.
type Listener struct {
	socket Socket
	conns  *Conns

	mu      sync.Mutex
	phase   Phase
	changed chan struct{} // closed when the phase changes

	accepting     chan struct{} // closed by the first Accept
	acceptingOnce sync.Once
	emptied       chan struct{} // closed when the queue was found empty
	emptiedOnce   sync.Once
	inFlight      sync.WaitGroup // Accepts that may hold a connection not tracked yet
	closeOnce     sync.Once
	closeErr      error
}

// New returns a Listener in the phase Held. It takes s.
func New(s Socket) *Listener {
	return &Listener{
		socket:    s,
		conns:     newConns(),
		changed:   make(chan struct{}),
		accepting: make(chan struct{}),
		emptied:   make(chan struct{}),
	}
}

// Accept implements net.Listener.
func (l *Listener) Accept() (net.Conn, error) {
	l.acceptingOnce.Do(func() { close(l.accepting) })
	for {
		phase, changed := l.enter()
		switch phase {
		case Held, Paused, Stopped:
			<-changed
			continue
		case Closed:
			return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
		case Emptying:
			l.socket.SetDeadline(time.Now().Add(queueGap))
		case Open:
		}
		c, err := l.socket.Accept()
		if err == nil {
			tracked, ok := l.conns.Track(c)
			l.inFlight.Done()
			if ok {
				return tracked, nil
			}
			c.Close()
			err = net.ErrClosed
		} else {
			l.inFlight.Done()
		}
		select {
		case <-changed:
			continue // woken up to look again
		default:
		}
		if phase == Emptying && errors.Is(err, os.ErrDeadlineExceeded) {
			if l.pending() {
				continue // package net looks at the clock before the queue
			}
			l.emptiedOnce.Do(func() { close(l.emptied) })
			l.set(Stopped)
			continue
		}
		if isTransient(err) {
			l.pause(changed)
			continue
		}
		return nil, err
	}
}

// isTransient reports whether an error of accept(2), or of epoll_ctl(2) for the new
// connection, does not last: the kernel lacks memory or places to watch, or one
// client's connection had a network error or is forbidden by a firewall. Services,
// net/http's among them, would end because of it. EMFILE and ENFILE are left to the
// services, which wait and try again.
func isTransient(err error) bool {
	for _, errno := range []syscall.Errno{
		syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOSPC, syscall.EPROTO, syscall.ENETDOWN, syscall.ENOPROTOOPT,
		syscall.EHOSTDOWN, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EOPNOTSUPP, syscall.ETIMEDOUT, syscall.EPERM,
	} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

// pause waits a moment, or until the phase changes.
func (l *Listener) pause(changed <-chan struct{}) {
	moment := time.NewTimer(shortagePause)
	defer moment.Stop()
	select {
	case <-moment.C:
	case <-changed:
	}
}

// Close implements net.Listener.
func (l *Listener) Close() error {
	l.set(Closed)
	return l.closeSocket()
}

// Addr implements net.Listener.
func (l *Listener) Addr() net.Addr { return l.socket.Addr() }

// Socket returns the socket behind the gate. It stays the Listener's.
func (l *Listener) Socket() Socket { return l.socket }

// Conns returns the connections that were accepted and are still open.
func (l *Listener) Conns() *Conns { return l.conns }

// Accepting returns a channel that is closed by the first Accept.
func (l *Listener) Accepting() <-chan struct{} { return l.accepting }

// Phase returns what Accept does at the moment.
func (l *Listener) Phase() Phase {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.phase
}

// Open lets Accept accept.
func (l *Listener) Open() { l.set(Open) }

// Pause makes Accept block until Resume. When it returns, every connection that
// was accepted is tracked.
func (l *Listener) Pause() {
	l.set(Paused)
	l.socket.SetDeadline(time.Now())
	l.inFlight.Wait()
}

// Resume lets Accept accept after Pause.
func (l *Listener) Resume() {
	l.socket.SetDeadline(time.Time{})
	l.set(Open)
}

// Stop makes Accept block and closes the socket, which another process has too.
// When it returns, every connection that was accepted is tracked.
func (l *Listener) Stop() {
	l.set(Stopped)
	l.socket.SetDeadline(time.Now())
	l.closeSocket()
	l.inFlight.Wait()
}

// Empty lets the service accept the clients that wait in the queue of a socket
// which no other process has, then stops. Clients that the service does not
// accept within a second, or before ctx ends, are reset by the kernel; so are
// all of them if the service has never called Accept.
func (l *Listener) Empty(ctx context.Context) {
	select {
	case <-l.accepting:
	default:
		l.Stop()
		return
	}
	l.set(Emptying)
	l.socket.SetDeadline(time.Now())
	bound := time.NewTimer(queueBound)
	defer bound.Stop()
	select {
	case <-l.emptied:
	case <-bound.C:
	case <-ctx.Done():
	}
	l.Stop()
}

// enter returns the phase and the channel that is closed when it changes. If
// the phase lets Accept go to the socket, the Accept counts as in flight.
func (l *Listener) enter() (Phase, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == Open || l.phase == Emptying {
		l.inFlight.Add(1)
	}
	return l.phase, l.changed
}

// pending reports whether connections wait in the accept queue.
func (l *Listener) pending() bool {
	c, ok := l.socket.(syscall.Conn)
	return ok && fdutil.Readable(c)
}

func (l *Listener) set(p Phase) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.phase == Closed || l.phase == p {
		return
	}
	l.phase = p
	close(l.changed)
	l.changed = make(chan struct{})
}

func (l *Listener) closeSocket() error {
	l.closeOnce.Do(func() { l.closeErr = l.socket.Close() })
	return l.closeErr
}
