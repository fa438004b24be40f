//go:build linux

package gate

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/fdutil"
)

// held returns a tracked TCP listener whose gate is held, and a channel of
// what its Accept returns.
func held(t *testing.T) (*Listener, <-chan net.Conn, <-chan error) {
	t.Helper()
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return gateOf(t, real.(Socket))
}

func gateOf(t *testing.T, real Socket) (*Listener, <-chan net.Conn, <-chan error) {
	t.Helper()
	ln := New(real)
	conns, errs := make(chan net.Conn), make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				errs <- err
				return
			}
			conns <- c
		}
	})
	t.Cleanup(func() {
		ln.Close()
		go func() {
			for c := range conns {
				c.Close()
			}
		}()
		wg.Wait()
		close(conns)
	})
	return ln, conns, errs
}

// dial connects n clients, which then wait in the accept queue.
func dial(t *testing.T, ln net.Listener, n int) {
	t.Helper()
	for range n {
		c, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
	}
}

func TestHeldListenerAcceptsNothingUntilOpened(t *testing.T) {
	ln, conns, _ := held(t)
	<-ln.Accepting()
	dial(t, ln, 2)
	// What Accept could take is still in the queue.
	if !queued(t, ln) {
		t.Error("a held listener accepted")
	}
	ln.Open()
	for range 2 {
		c := <-conns
		c.Close()
	}
}

// queued reports whether a connection waits in the kernel's accept queue.
func queued(t *testing.T, ln *Listener) bool {
	t.Helper()
	return fdutil.Readable(ln.socket.(syscall.Conn))
}

func TestCloseWakesAccept(t *testing.T) {
	for name, prepare := range map[string]func(*Listener){
		"held":    func(*Listener) {},
		"open":    func(ln *Listener) { ln.Open() },
		"stopped": func(ln *Listener) { ln.Open(); ln.Stop() },
		"emptied": func(ln *Listener) { ln.Open(); ln.Empty(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			ln, _, errs := held(t)
			<-ln.Accepting()
			prepare(ln)
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
			if err := <-errs; !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v, want net.ErrClosed", err)
			}
			if err := ln.Close(); err != nil {
				t.Errorf("the second Close: got %v, want what the first returned", err)
			}
			ln.Open()
			if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v after Close, want net.ErrClosed", err)
			}
		})
	}
}

func TestStopLeavesAcceptBlocked(t *testing.T) {
	ln, conns, errs := held(t)
	ln.Open()
	dial(t, ln, 1)
	(<-conns).Close()
	ln.Stop()
	select {
	case err := <-errs:
		t.Errorf("Accept returned %v: a service would take that for its end", err)
	case <-conns:
		t.Error("Accept returned a connection")
	case <-time.After(50 * time.Millisecond): // nothing is waited for here
	}
}

// With no successor, nobody else would serve those in the queue.
func TestEmptyServesTheQueue(t *testing.T) {
	const n = 50
	ln, conns, _ := held(t)
	<-ln.Accepting()
	dial(t, ln, n) // held: all of them wait in the queue
	ln.Open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		ln.Empty(t.Context())
	}()
	for range n {
		c := <-conns
		c.Close()
	}
	<-done
	if c, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		c.Close()
		t.Error("the socket is still open")
	}
}

// A connection that Accept has taken from the kernel when accepting stops is
// counted: nobody may take the listener for idle.
func TestStopWaitsForAcceptInFlight(t *testing.T) {
	slow := &slowAccept{entered: make(chan struct{}, 1), release: make(chan net.Conn)}
	ln := New(slow)
	ln.Open()
	got := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		got <- c
	}()
	<-slow.entered
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ln.Stop()
	}()
	select {
	case <-stopped:
		t.Error("stop returned while Accept held a connection that nobody knows of")
	case <-time.After(20 * time.Millisecond): // nothing is waited for here
	}
	a, b := net.Pipe()
	defer b.Close()
	slow.release <- a
	<-stopped
	if got, want := ln.conns.Len(), 1; got != want {
		t.Errorf("got %d connections after stop, want %d", got, want)
	}
	(<-got).Close()
}

// slowAccept returns from Accept what release gives it, whatever happens.
type slowAccept struct {
	entered chan struct{}
	release chan net.Conn
}

func (l *slowAccept) Accept() (net.Conn, error) {
	l.entered <- struct{}{}
	return <-l.release, nil
}
func (l *slowAccept) Close() error                { return nil }
func (l *slowAccept) Addr() net.Addr              { return &net.TCPAddr{} }
func (l *slowAccept) SetDeadline(time.Time) error { return nil }

// An error of the real socket, such as too many open files, is the service's
// to handle; http.Server waits and tries again.
func TestAcceptPassesErrorsOn(t *testing.T) {
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := real.(Socket)
	ln := New(d)
	defer ln.Close()
	ln.Open()
	d.SetDeadline(time.Unix(1, 0))
	if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the socket's error", err)
	}
}

// lateOnce is a listener that was kept from running for so long, the first
// time that it empties its queue, that its deadline has passed before it looks.
type lateOnce struct {
	Socket
	armed atomic.Bool
}

func (l *lateOnce) SyscallConn() (syscall.RawConn, error) {
	return l.Socket.(syscall.Conn).SyscallConn()
}

func (l *lateOnce) SetDeadline(at time.Time) error {
	if time.Until(at) > 0 && l.armed.Swap(false) {
		at = time.Unix(1, 0)
	}
	return l.Socket.SetDeadline(at)
}

// A deadline that has passed says nothing of the queue: package net does not
// even look there. It passes when the machine is busy, and when the wake-up
// of Empty hits an Accept that has seen the new phase already.
func TestEmptyBelievesTheQueueNotTheClock(t *testing.T) {
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	late := &lateOnce{Socket: real.(Socket)}
	ln, conns, _ := gateOf(t, late)
	<-ln.Accepting()
	const n = 10
	dial(t, ln, n)
	served := make(chan struct{})
	go func() {
		defer close(served)
		for range n {
			select {
			case c := <-conns:
				c.Close()
			case <-ln.emptied:
				// One may be on its way still.
				select {
				case c := <-conns:
					c.Close()
				case <-time.After(100 * time.Millisecond):
					t.Error("the queue was given up with clients in it")
					return
				}
			}
		}
	}()
	late.armed.Store(true)
	ln.Empty(t.Context())
	<-served
}

// failing is a socket whose Accept fails with the errors first.
type failing struct {
	Socket
	errs []error
}

func (l *failing) Accept() (net.Conn, error) {
	if len(l.errs) > 0 {
		err := l.errs[0]
		l.errs = l.errs[1:]
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", err)}
	}
	return l.Socket.Accept()
}

// A kernel that is short of memory ends no server.
func TestAcceptOutlivesShortages(t *testing.T) {
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := New(&failing{Socket: real.(Socket), errs: []error{syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOSPC, syscall.EPROTO, syscall.EPERM}})
	defer ln.Close()
	ln.Open()
	dial(t, ln, 1)
	c, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	// What services know to wait for is theirs.
	ln = New(&failing{Socket: real.(Socket), errs: []error{syscall.EMFILE}})
	ln.Open()
	if _, err := ln.Accept(); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("got %v, want EMFILE", err)
	}
}

// A service must not notice a pause, whenever it comes.
func TestPauseAndResume(t *testing.T) {
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := New(real.(Socket))
	ln.Open()
	conns, failed := make(chan net.Conn), make(chan error, 1)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				failed <- err
				return
			}
			conns <- c
		}
	}()
	for range 200 {
		ln.Pause()
		dial(t, ln, 1) // waits in the queue
		select {
		case <-conns:
			t.Fatal("a connection was accepted in the pause")
		default:
		}
		ln.Resume()
		ln.Pause() // at once, perhaps before Accept has looked
		ln.Resume()
		select {
		case c := <-conns:
			c.Close()
		case err := <-failed:
			t.Fatalf("Accept: %v", err)
		}
	}
	ln.Close()
	if err := <-failed; !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}
