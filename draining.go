package restart

import "context"

type drainingKey struct{}

// Draining returns a channel that is closed when the process drains and the work
// that ctx belongs to (a connection, a stream, a long request) should end.
// The handler should then say goodbye as its protocol does, such as with status
// 1001 of a WebSocket or codes.Unavailable, and return: the client connects
// anew and reaches the successor. A handler that does not return is cut when the
// drain has lasted for [Options.HammerTime].
//
// ctx is the context that a handler gets from package example.com/restart/http,
// tcp or grpcadapter, or from any [Service] that uses [WithDraining], or a
// context derived from it. For every other context the channel is nil, and so
// never closed.
func Draining(ctx context.Context) <-chan struct{} {
	if draining, ok := ctx.Value(drainingKey{}).(func() <-chan struct{}); ok {
		return draining()
	}
	return nil
}

// WithDraining returns a copy of ctx for which [Draining] returns the channel
// that draining returns. It is for authors of services, who give the copy to
// their handlers. The function must return the same channel each time; several
// goroutines may call it at once.
func WithDraining(ctx context.Context, draining func() <-chan struct{}) context.Context {
	return context.WithValue(ctx, drainingKey{}, draining)
}
