// Package grpcadapter makes a [restart.Service] of a *grpc.Server. It does not
// import gRPC: anything with Serve, GracefulStop and Stop will do.
//
//	srv := grpc.NewServer()
//	a := grpcadapter.New(srv)
//	pb.RegisterChatServer(srv, &chat{draining: a.Draining()})
//	r.Add("grpc", "tcp", ":50051", a)
//
// Connections do not move to the successor. Their clients are told to go away
// (GOAWAY, RFC 9113, 6.8), finish the calls that they have begun and connect
// anew, to the successor, without being told of an error. What a client may
// see all the same is UNAVAILABLE, where a call's stream is ended on purpose,
// see [Adapter.Draining]; a retryPolicy for it in the service config (gRFC A6)
// makes up for that before a response has begun.
package grpcadapter

import (
	"context"
	"net"
	"sync"
	"time"

	"example.com/restart"
)

// silence is how long a drain waits for the first byte of a connection that
// has been accepted. GracefulStop tells no connection anything before the last
// one's handshake has ended.
const silence = time.Second

// A Server is what *grpc.Server has.
type Server interface {
	Serve(net.Listener) error
	GracefulStop()
	Stop()
}

// A Health is what *health.Server of google.golang.org/grpc/health has: Shutdown
// makes it say NOT_SERVING for all services from then on.
type Health interface{ Shutdown() }

// An Adapter is a [restart.Service] around a Server. Make one with New.
type Adapter struct {
	// Health, if not nil, is shut down at the beginning of a drain that leaves
	// the listener to nobody: when the process stops for good, and when its
	// successor has dropped the listener. When a successor serves, the service
	// goes on, and so does its health. It must be set before Serve.
	Health Health

	server   Server
	draining chan struct{}
	once     sync.Once // closes it
	arrivals *arrivals

	mu       sync.Mutex
	listener net.Listener
	served   chan struct{} // closed when the Server's Serve has returned
	stopped  bool
}

// New returns an Adapter around s, whose Serve and stopping must be left to it.
func New(s Server) *Adapter {
	return &Adapter{
		server:   s,
		draining: make(chan struct{}),
		arrivals: newArrivals(),
		served:   make(chan struct{}),
	}
}

// Draining returns a channel that is closed when a drain begins. The handler
// of a stream that may last should then end it, best with codes.Unavailable at
// a point where the client can go on with another one. Streams that do not are
// cut when the time of the drain is up.
func (a *Adapter) Draining() <-chan struct{} { return a.draining }

// Serve implements [restart.Service]. It can be called once.
func (a *Adapter) Serve(l net.Listener) error {
	a.mu.Lock()
	if a.stopped || a.listener != nil {
		a.mu.Unlock()
		l.Close()
		return net.ErrClosed
	}
	a.listener = &listener{l, a.arrivals}
	a.mu.Unlock()
	defer close(a.served)
	return a.server.Serve(a.listener)
}

// Shutdown implements [restart.Service]. It closes Draining, tells the clients
// to go away and returns when the last call has ended, or else when ctx does,
// with its error. The calls that are left then go on until Close.
func (a *Adapter) Shutdown(ctx context.Context) error {
	if a.Health != nil && !restart.Replaced(ctx) {
		a.Health.Shutdown()
	}
	a.once.Do(func() { close(a.draining) })
	if a.stop() {
		// A connection may be on its way from the listener to the Server, which
		// would close it without a word once it has begun to stop.
		select {
		case <-a.served:
		case <-ctx.Done():
		}
		a.arrivals.settle(ctx)
	}
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
			// Stop comes with Close: the hammer counts the connections and ends
			// them with a FIN before.
			return ctx.Err()
		}
	}
}

// Close ends all calls with Stop. It does not wait for it: Stop may wait for
// handlers that ignore the end of their context.
func (a *Adapter) Close() error {
	a.once.Do(func() { close(a.draining) })
	a.stop()
	go a.server.Stop()
	return nil
}

// stop ends accepting, and reports whether it had begun.
func (a *Adapter) stop() bool {
	a.mu.Lock()
	l := a.listener
	a.stopped = true
	a.mu.Unlock()
	if l == nil {
		return false
	}
	l.Close()
	return true
}
