package grpcadapter

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"

	"example.com/restart"
)

var _ Server = (*grpc.Server)(nil)

// A fake is a Server whose methods do what the test wants.
type fake struct {
	serve    func(net.Listener) error
	graceful chan struct{} // closed to let GracefulStop return
	stopOnce sync.Once
	stopped  chan struct{} // closed by Stop
	hang     chan struct{} // closed to let Stop return
}

func newFake() *fake {
	return &fake{
		serve: func(l net.Listener) error {
			_, err := l.Accept()
			return err
		},
		graceful: make(chan struct{}),
		stopped:  make(chan struct{}),
		hang:     make(chan struct{}),
	}
}

func (f *fake) Serve(l net.Listener) error { return f.serve(l) }
func (f *fake) GracefulStop()              { <-f.graceful }
func (f *fake) Stop()                      { f.stopOnce.Do(func() { close(f.stopped) }); <-f.hang }

type fakeHealth struct{ down int }

func (h *fakeHealth) Shutdown() { h.down++ }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A handler that ignores the drain delays neither Shutdown nor Close.
func TestNeverJoined(t *testing.T) {
	f := newFake()
	a := New(f)
	served := make(chan error, 1)
	go func() { served <- a.Serve(listen(t)) }()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Shutdown(ctx) }()
	<-restart.Draining(a.Context(t.Context()))
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("Shutdown: got %v, want the context's error", err)
	}
	select {
	case <-f.stopped:
		t.Error("Stop was called before Close")
	default:
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
	<-f.stopped
	if err := <-served; !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve: got %v, want net.ErrClosed", err)
	}
	close(f.hang)
	close(f.graceful)
}

// A drain without a successor shuts the health down.
func TestHealthOfFinalDrain(t *testing.T) {
	f := newFake()
	close(f.graceful)
	h := new(fakeHealth)
	a := New(f)
	a.Health = h
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.down != 1 {
		t.Errorf("the health was shut down %d times, want once", h.down)
	}
}

// A lame duck withdraws its health first, and tells nobody else.
func TestHealthOfALameDuck(t *testing.T) {
	f := newFake()
	close(f.graceful)
	h := new(fakeHealth)
	a := New(f)
	a.Health = h
	var _ restart.LameDuck = a
	a.BeginLameDuck()
	if h.down != 1 {
		t.Errorf("the health was shut down %d times, want once", h.down)
	}
	select {
	case <-restart.Draining(a.Context(t.Context())):
		t.Error("handlers are told to end")
	default:
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if h.down != 1 {
		t.Errorf("the health was shut down %d times, want once", h.down)
	}
	New(f).BeginLameDuck() // without Health
}

func TestServeAfterShutdown(t *testing.T) {
	f := newFake()
	close(f.graceful)
	a := New(f)
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := a.Serve(listen(t)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
}
