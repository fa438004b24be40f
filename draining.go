package restart

import "context"

type drainingKey struct{}

// Draining returns a channel that is closed when the work that ctx belongs to
// should end because its process drains: a connection, a stream, a request that
// lasts. The handler should then say goodbye as its protocol does (a WebSocket
// status 1001, codes.Unavailable) and return, so that the client comes back and
// reaches the successor. A handler that does not is cut when the drain's time,
// [Options.HammerTime], is up.
//
// ctx is the context that a handler gets from package example.com/restart/http,
// tcp or grpcadapter, or from any [Service] that uses [WithDraining]. For every
// other context the channel is nil, and so never closed.
func Draining(ctx context.Context) <-chan struct{} {
	if draining, ok := ctx.Value(drainingKey{}).(func() <-chan struct{}); ok {
		return draining()
	}
	return nil
}

// WithDraining returns a copy of ctx from which [Draining] returns what draining
// returns. It is for authors of services. Several goroutines may call draining
// at once; it should return the same channel each time.
func WithDraining(ctx context.Context, draining func() <-chan struct{}) context.Context {
	return context.WithValue(ctx, drainingKey{}, draining)
}
