package grpcadapter

import (
	"context"
	"net"
	"sync"
	"time"

	"example.com/restart"
)

// silence bounds the wait for the first byte of a connection that has been
// accepted. GracefulStop sends no GOAWAY before all handshakes have ended.
const silence = time.Second

// A Server has the methods of *grpc.Server that an Adapter needs.
type Server interface {
	Serve(net.Listener) error
	GracefulStop()
	Stop()
}

// An Adapter is a [restart.Service] around a Server. Make one with NewServer or
// New. Several goroutines may call its methods at once.
type Adapter struct {
	// Health, if not nil, is shut down when the process is to stop for good, at the
	// beginning of [restart.Options.LameDuck], and when a successor has dropped the
	// listener. A *health.Server of google.golang.org/grpc/health then reports
	// NOT_SERVING for all services. A restart does not touch it. Health must be set
	// before the Adapter is added to a Restarter.
	Health interface{ Shutdown() }

	server   Server
	once     restart.ServeOnce
	arrivals *arrivals
	drain    sync.Once     // closes draining
	withdraw sync.Once     // shuts Health down
	draining chan struct{} // closed when the drain begins
}

// New returns an Adapter around a Server that the program has made. The program must
// not call the Server's methods itself. Handlers of such a server learn of a drain only
// if the program has interceptors that give them contexts of [Adapter.Context]. A
// server made by NewServer has these interceptors.
func New(s Server) *Adapter {
	return &Adapter{
		server:   s,
		arrivals: newArrivals(),
		draining: make(chan struct{}),
	}
}

// Context returns a copy of ctx for which [restart.Draining] returns a channel
// that is closed when the drain begins.
func (a *Adapter) Context(ctx context.Context) context.Context {
	return restart.WithDraining(ctx, func() <-chan struct{} { return a.draining })
}

// Serve implements [restart.Service]. It can be called once.
func (a *Adapter) Serve(l net.Listener) error {
	l = &listener{l, a.arrivals}
	if err := a.once.Begin(l); err != nil {
		return err
	}
	defer a.once.End()
	return a.server.Serve(l)
}

// BeginLameDuck implements [restart.LameDuck]: it shuts Health down. Calls go on,
// and nothing is said to clients before Shutdown.
func (a *Adapter) BeginLameDuck() { a.withdrawHealth() }

func (a *Adapter) withdrawHealth() {
	if a.Health != nil {
		a.withdraw.Do(a.Health.Shutdown)
	}
}

// Shutdown implements [restart.Service]. It tells handlers and clients that the
// process drains, and returns when the last call has ended. It returns ctx's
// error if ctx ends first; the calls that are left then go on until Close.
func (a *Adapter) Shutdown(ctx context.Context) error {
	if !restart.Replaced(ctx) {
		a.withdrawHealth()
	}
	a.beginDrain()
	// Once it has begun to stop, the Server closes a connection that the
	// listener has just returned, without a word to the client.
	a.once.Stop(ctx)
	a.arrivals.settle(ctx)

	done := make(chan struct{})
	go func() {
		defer close(done)
		a.server.GracefulStop()
	}()
	silent := time.NewTimer(silence)
	defer silent.Stop()
	for {
		select {
		case <-done:
			return nil
		case <-silent.C:
			a.arrivals.closeSilent()
		case <-ctx.Done():
			// Stop is left to Close: before, the hammer counts the connections
			// and sends each a FIN.
			return ctx.Err()
		}
	}
}

// Close ends all calls with the Server's Stop. It does not wait for Stop, which
// may wait for handlers that ignore the end of their context.
func (a *Adapter) Close() error {
	a.beginDrain()
	a.once.Close()
	go a.server.Stop()
	return nil
}

func (a *Adapter) beginDrain() { a.drain.Do(func() { close(a.draining) }) }
