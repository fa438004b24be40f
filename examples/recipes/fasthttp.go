package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// A fastHTTP is a server of fasthttp as a restart.Service.
//
// Its connections do not move: fasthttp keeps them to itself. So a drain tells the
// clients with their next answer to connect anew. ShutdownWithContext alone would
// close connections that wait for a request while the request is on its way.
type fastHTTP struct {
	*fasthttp.Server
	linger   time.Duration
	draining atomic.Bool
}

func newFastHTTP(s *fasthttp.Server, linger time.Duration) *fastHTTP {
	f := &fastHTTP{Server: s, linger: linger}
	handle := s.Handler
	s.Handler = func(c *fasthttp.RequestCtx) {
		handle(c)
		if f.draining.Load() {
			c.SetConnectionClose()
		}
	}
	return f
}

// Shutdown waits until all clients have been told, but no longer than linger.
// Whoever has been silent for so long is cut.
func (f *fastHTTP) Shutdown(ctx context.Context) error {
	f.draining.Store(true)
	over := time.After(f.linger)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for f.GetOpenConnectionsCount() > 0 {
		select {
		case <-tick.C:
			continue
		case <-over:
		case <-ctx.Done():
		}
		break
	}
	return f.ShutdownWithContext(ctx)
}
