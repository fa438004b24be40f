package restart_test

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"

	"example.com/restart"
)

// A blockedListener is one whose Accept brings nothing.
type blockedListener struct {
	closed chan struct{}
	closes atomic.Int32
}

func newBlockedListener() *blockedListener {
	return &blockedListener{closed: make(chan struct{})}
}

func (l *blockedListener) Accept() (net.Conn, error) {
	<-l.closed
	return nil, net.ErrClosed
}

func (l *blockedListener) Close() error {
	if l.closes.Add(1) == 1 {
		close(l.closed)
	}
	return nil
}

func (l *blockedListener) Addr() net.Addr { return &net.TCPAddr{} }

func (l *blockedListener) isClosed() bool { return l.closes.Load() > 0 }

func TestServeOnceStopWaitsForEnd(t *testing.T) {
	var once restart.ServeOnce
	l := newBlockedListener()
	if err := once.Begin(l); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan bool, 1)
	go func() { stopped <- once.Stop(t.Context()) }()
	<-l.closed
	select {
	case <-stopped:
		t.Error("Stop returned before End")
	default:
	}
	once.End()
	if !<-stopped {
		t.Error("Stop: got false after Begin, want true")
	}
	if !once.Stop(t.Context()) {
		t.Error("second Stop: got false, want true")
	}
}

func TestServeOnceStopEndsWithItsContext(t *testing.T) {
	var once restart.ServeOnce
	if err := once.Begin(newBlockedListener()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if !once.Stop(ctx) {
		t.Error("Stop: got false after Begin, want true")
	}
	once.End()
}

func TestServeOnceCloseDoesNotWait(t *testing.T) {
	var once restart.ServeOnce
	l := newBlockedListener()
	if err := once.Begin(l); err != nil {
		t.Fatal(err)
	}
	once.Close() // nobody calls End before it returns
	if !l.isClosed() {
		t.Error("Close did not close the listener")
	}
	once.End()
}

func TestServeOnceBeginAfterTheEnd(t *testing.T) {
	for _, test := range []struct {
		name string
		stop func(*restart.ServeOnce)
	}{
		{"Stop", func(o *restart.ServeOnce) {
			if o.Stop(t.Context()) {
				t.Error("Stop: got true before Begin, want false")
			}
		}},
		{"Close", (*restart.ServeOnce).Close},
	} {
		var once restart.ServeOnce
		test.stop(&once)
		l := newBlockedListener()
		if err := once.Begin(l); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Begin after %s: got %v, want net.ErrClosed", test.name, err)
		}
		if !l.isClosed() {
			t.Errorf("Begin after %s did not close the listener", test.name)
		}
	}
}

// The second listener is closed, the first one is served on.
func TestServeOnceBeginTwice(t *testing.T) {
	var once restart.ServeOnce
	first, second := newBlockedListener(), newBlockedListener()
	if err := once.Begin(first); err != nil {
		t.Fatal(err)
	}
	if err := once.Begin(second); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("second Begin: got %v, want an error that does not look like the end of a drain", err)
	}
	if first.isClosed() || !second.isClosed() {
		t.Errorf("closed: first %t, second %t, want only the second", first.isClosed(), second.isClosed())
	}
	once.End()
	if !first.isClosed() {
		t.Error("End did not close the listener")
	}
}
