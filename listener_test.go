//go:build linux

package restart

import (
	"errors"
	"net"
	"os"
	"sync"
	"testing"
	"time"
)

// gate returns a tracked TCP listener whose gate is held, and a channel of
// what its Accept returns.
func gate(t *testing.T) (*listener, <-chan net.Conn, <-chan error) {
	t.Helper()
	real, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return gateOf(t, real.(deadliner))
}

func gateOf(t *testing.T, real deadliner) (*listener, <-chan net.Conn, <-chan error) {
	t.Helper()
	ln := newListener(real)
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
	ln, conns, _ := gate(t)
	if ln.isAccepting() {
		select {
		case <-ln.accepting:
		default:
			t.Error("isAccepting before Accept")
		}
	}
	<-ln.accepting
	dial(t, ln, 2)
	// What Accept could take is still in the queue.
	if !queued(t, ln) {
		t.Error("a held listener accepted")
	}
	ln.open()
	for range 2 {
		c := <-conns
		c.Close()
	}
}

// queued reports whether a connection waits in the kernel's accept queue.
func queued(t *testing.T, ln *listener) bool {
	t.Helper()
	f := dup(t, ln.real.(sysConn))
	other, err := net.FileListener(f)
	f.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	return readable(t, other.(sysConn))
}

func TestCloseWakesAccept(t *testing.T) {
	for name, prepare := range map[string]func(*listener){
		"held":    func(*listener) {},
		"open":    func(ln *listener) { ln.open() },
		"stopped": func(ln *listener) { ln.open(); ln.stop() },
		"emptied": func(ln *listener) { ln.open(); ln.empty(t.Context()) },
	} {
		t.Run(name, func(t *testing.T) {
			ln, _, errs := gate(t)
			<-ln.accepting
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
			ln.open()
			if _, err := ln.Accept(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("got %v after Close, want net.ErrClosed", err)
			}
		})
	}
}

func TestStopLeavesAcceptBlocked(t *testing.T) {
	ln, conns, errs := gate(t)
	ln.open()
	dial(t, ln, 1)
	(<-conns).Close()
	ln.stop()
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
	ln, conns, _ := gate(t)
	<-ln.accepting
	dial(t, ln, n) // held: all of them wait in the queue
	ln.open()
	done := make(chan struct{})
	go func() {
		defer close(done)
		ln.empty(t.Context())
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
	ln := newListener(slow)
	ln.open()
	got := make(chan net.Conn, 1)
	go func() {
		c, _ := ln.Accept()
		got <- c
	}()
	<-slow.entered
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		ln.stop()
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
	if got, want := ln.conns.len(), 1; got != want {
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
	d := real.(deadliner)
	ln := newListener(d)
	defer ln.Close()
	ln.open()
	d.SetDeadline(time.Unix(1, 0))
	if _, err := ln.Accept(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the socket's error", err)
	}
}
