package tcp

import (
	"context"
	"net"

	"example.com/restart"
)

// Shutdown implements [restart.Service]. It tells the handlers that the process
// drains, and waits until all have returned. It returns ctx's error if ctx ends
// first; the handlers then go on until Close.
func (s *Server) Shutdown(ctx context.Context) error {
	if !s.made() {
		return nil
	}
	h, _ := restart.HandoverFrom(ctx)
	s.drain(h)
	s.once.Stop(ctx)
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

// Close closes the listener and all connections, and ends the handlers'
// contexts. It does not wait for the handlers.
func (s *Server) Close() error {
	if !s.made() {
		return nil
	}
	s.drain(nil)
	s.once.Close()
	for _, c := range s.end() {
		c.Close()
	}
	return nil
}

// drain tells the handlers that the process drains. The way to the successor is
// set before, so that they can use it at once.
func (s *Server) drain(h *restart.Handover) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isDraining() {
		return
	}
	s.handover = h
	close(s.draining)
	for c := range s.conns {
		c.drain()
	}
}

// end refuses connections from now on, ends the handlers' contexts and returns
// the connections that are open.
func (s *Server) end() []net.Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.over = true
	s.cancel()
	conns := make([]net.Conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c.Conn)
	}
	return conns
}

// whenEmpty returns a channel that is closed when no handler runs. It returns
// nil if none runs now, and from then on none is started.
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

// drainTo reports whether the process drains, and returns the way to the successor, nil
// if there is none.
func (s *Server) drainTo() (h *restart.Handover, draining bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.handover, s.isDraining()
}
