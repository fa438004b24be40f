package http

import "context"

// Draining returns a channel that is closed when the connection should end
// because its process drains. It is for handlers that stay on one connection
// for long, such as those of WebSockets and event streams: they should say
// goodbye (status 1001 of RFC 6455, say) and return, so that the client comes
// back to the successor. For each connection it is closed at another moment
// within the linger time, so that not all clients come back at once.
//
// ctx is the context of a request that a [Server] serves; the channel is nil,
// and so never closed, for any other.
func Draining(ctx context.Context) <-chan struct{} {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c.drainSignal()
	}
	return nil
}
