package grpcadapter

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
)

var _ Server = (*grpc.Server)(nil)

// A fake is a Server that serves as the test says.
type fake struct {
	serve    func(net.Listener) error
	graceful chan struct{} // GracefulStop returns when it is closed
	stopOnce sync.Once
	stopped  chan struct{} // closed by Stop
	hang     chan struct{} // Stop returns when it is closed
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

type fakeHealth struct{ down bool }

func (h *fakeHealth) Shutdown() { h.down = true }

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// A handler that ignores everything keeps neither Shutdown nor Close.
func TestNeverJoined(t *testing.T) {
	f := newFake()
	a := New(f)
	served := make(chan error, 1)
	go func() { served <- a.Serve(listen(t)) }()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- a.Shutdown(ctx) }()
	<-a.Draining()
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

// Health is taken back when nobody serves the listener any more.
func TestHealthOfFinalDrain(t *testing.T) {
	f := newFake()
	close(f.graceful)
	h := new(fakeHealth)
	a := New(f)
	a.Health = h
	if err := a.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !h.down {
		t.Error("health still says that the service is there")
	}
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

// A connection that was accepted but not looked at is waited for before
// GracefulStop: gRPC would close it without a word.
func TestArrivalIsLookedAtFirst(t *testing.T) {
	f := newFake()
	conns := make(chan net.Conn)
	f.serve = func(l net.Listener) error {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		conns <- c
		_, err = l.Accept()
		return err
	}
	a := New(f)
	l := listen(t)
	served := make(chan error, 1)
	go func() { served <- a.Serve(l) }()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	c := <-conns
	settled := make(chan struct{})
	a.stop()
	<-served
	if a.arrivals.unsettled() == nil {
		t.Fatal("the connection counts as looked at before it was read from")
	}
	go func() { a.arrivals.settle(t.Context()); close(settled) }()
	read := make(chan error)
	go func() { _, err := c.Read(make([]byte, 1)); read <- err }()
	<-settled
	a.arrivals.closeSilent()
	if err := <-read; !errors.Is(err, net.ErrClosed) {
		t.Errorf("a silent connection: got %v, want it closed", err)
	}
	if len(a.arrivals.conns) != 0 {
		t.Errorf("%d arrivals are left", len(a.arrivals.conns))
	}
}
