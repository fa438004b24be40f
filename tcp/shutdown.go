package tcp

import (
	"context"
	"net"

	"example.com/restart"
)

// Shutdown implements [restart.Service]: it ends the handlers' context and
// waits for them. It returns ctx's error if that comes first.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.stop() {
		// A connection may be on its way from the listener to its handler. When
		// Serve has returned it has arrived.
		select {
		case <-s.served:
		case <-ctx.Done():
		}
	}
	h, _ := restart.HandoverFrom(ctx)
	s.drain(h)
	for {
		empty := s.whenEmpty()
		if empty == nil {
			return nil
		}
		select {
		case <-empty:
			// Another connection may have come from the predecessor.
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close closes the listener and all connections. It does not wait for the
// handlers.
func (s *Server) Close() error {
	s.stop()
	s.drain(nil)
	s.mu.Lock()
	s.over = true
	conns := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c.Conn)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.Close()
	}
	return nil
}

// stop makes Serve return, and reports whether it was called.
func (s *Server) stop() bool {
	s.mu.Lock()
	l := s.listener
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	s.mu.Unlock()
	if l == nil {
		return false
	}
	l.Close()
	return true
}

// drain tells the handlers. The way to the successor must be known before.
func (s *Server) drain(h *restart.Handover) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.draining {
		return
	}
	s.draining = true
	s.handover = h
	s.cancel(ErrDraining)
	for c := range s.conns {
		c.drain()
	}
}

// whenEmpty returns a channel that is closed when no handler runs, or nil if
// that is so now: then none will be started any more.
func (s *Server) whenEmpty() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.conns) == 0 {
		s.over = true
		return nil
	}
	if s.empty == nil {
		s.empty = make(chan struct{})
	}
	return s.empty
}

// way returns the way to the successor, if the server drains and has one.
func (s *Server) way() (h *restart.Handover, draining bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handover, s.draining
}
