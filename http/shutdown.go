package http

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"example.com/restart"
)

// shutdown ends the server so that no request is lost. http.Server.Shutdown
// comes last, when no connection is left: it closes idle connections without a
// word and drops requests that have been read already.
func (k *core) shutdown(ctx context.Context, s *Server) error {
	k.onShutdown.call()
	select {
	case <-k.ready:
	default:
		return s.Server.Shutdown(ctx) // never served
	}
	// Nothing is accepted any more, but a connection may be on its way from
	// the listener to net/http. When Serve has returned it has arrived.
	k.listener.Close()
	select {
	case <-k.served:
	case <-ctx.Done():
	}

	linger, send := s.Linger, k.successor(ctx)
	replaced := send != nil || restart.Replaced(ctx)
	switch {
	case linger < 0:
		linger = 0
	case linger == 0 && replaced:
		linger = DefaultLinger
	case linger == 0:
		linger = stopLinger
	}
	k.linger.Store(int64(linger))
	k.drains.Store(true)
	spread := linger / 2
	if !replaced {
		spread = 0 // they cannot come back, so it is no use to wait
	}
	k.fleet.begin(ctx, k.choose(s, send), spread)
	lingered := time.NewTimer(linger)
	defer lingered.Stop()

	select {
	case <-k.fleet.whenGone():
	case <-ctx.Done():
	}
	if k.fleet.speaksHTTP2() {
		// Shutdown tells them to go (GOAWAY), those that have not asked for
		// anything since the drain began.
		select {
		case <-lingered.C:
		case <-ctx.Done():
		}
	}
	k.lobby.seal()
	select {
	case <-k.fleet.whenGone(): // what has come in the meantime
	case <-ctx.Done():
	}
	err := s.Server.Shutdown(ctx)
	k.feeding.Wait() // Shutdown has closed the lobby
	k.lobby.wait(ctx)
	return err
}

// choose says what the drain does with connections: send moves them, nil if
// there is nobody to move them to.
func (k *core) choose(s *Server, send sender) mode {
	switch {
	case send == nil || s.tls:
		return modeLinger
	case k.buffer == 0:
		slog.Warn("restart/http: net/http does not behave as known: connections are announced and closed, not moved", "listener", s.Addr)
		return modeLinger
	}
	k.send.Store(&send)
	return modeMove
}

// callbacks are what RegisterOnShutdown collects.
type callbacks struct {
	mu  sync.Mutex
	all []func()
}

func (c *callbacks) add(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, f)
}

// call starts them all, and like net/http waits for none.
func (c *callbacks) call() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range c.all {
		go f()
	}
}
