package tcp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"runtime/debug"
	"sync"

	"example.com/restart"
)

// A Server serves each connection of one listener by a function, the handler,
// in a goroutine of its own. It is a [restart.Service] and a [restart.Adopter].
// Make one with New or NewSessions, a new one for each listener. Several
// goroutines may call its methods at once.
//
// The connection is closed when the handler returns. It is closed, too, when the
// handler panics; the panic is logged with its stack, and other connections go
// on.
type Server struct {
	// Logger receives panics of handlers and failures of Accept. It must be set
	// before the Server is added to a Restarter. Nil means the Restarter's
	// logger, or slog.Default() without a Restarter.
	Logger *slog.Logger

	// One of the two is set.
	plain    func(context.Context, net.Conn)
	sessions func(context.Context, *Conn)

	restarterLog *slog.Logger // from SetLogger; may be nil
	once         restart.ServeOnce

	ctx      context.Context // the parent of the handlers' contexts
	cancel   context.CancelFunc
	draining chan struct{} // closed when the drain begins

	mu       sync.Mutex
	conns    map[*Conn]struct{}
	handover *restart.Handover // nil before the drain, and without a successor
	empty    chan struct{}     // nil if nobody waits; closed when conns is empty
	over     bool              // no handler is started any more
}

// New returns a Server that calls handle for each connection. The connection is
// as the listener gave it, so that io.Copy can use sendfile(2) and splice(2) and
// NetConn returns the socket. It never moves to a successor.
//
// When the drain begins, the channel that [restart.Draining] returns for the
// context is closed: handle should then finish its work and return. The context
// itself ends when handle returns, and when the drain has lasted for
// [restart.Options.HammerTime], just before the connection is closed.
func New(handle func(ctx context.Context, c net.Conn)) *Server {
	s := newServer()
	s.plain = handle
	return s
}

// NewSessions returns a Server that calls handle for each connection, including
// those that a handler of the predecessor has moved with [Conn.Move]. The context
// is as for New. Most handlers do not need it, because [Conn.Wait] tells them of
// the drain.
func NewSessions(handle func(ctx context.Context, c *Conn)) *Server {
	s := newServer()
	s.sessions = handle
	return s
}

func newServer() *Server {
	s := &Server{
		draining: make(chan struct{}),
		conns:    make(map[*Conn]struct{}),
	}
	ctx := restart.WithDraining(context.Background(), func() <-chan struct{} { return s.draining })
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// made reports whether s was made by New or NewSessions.
func (s *Server) made() bool { return s.draining != nil }

var errUnmade = errors.New("restart/tcp: serve: the Server was not made by New or NewSessions")

// Serve implements [restart.Service]. It can be called once. When descriptors or
// memory run out it pauses for up to a second and accepts again; clients wait in
// the accept queue meanwhile.
func (s *Server) Serve(l net.Listener) error {
	if !s.made() {
		l.Close()
		return errUnmade
	}
	if err := s.once.Begin(l); err != nil {
		return err
	}
	defer s.once.End()
	return s.accept(l)
}

// Adopt implements [restart.Adopter]. It calls the handler for a connection that
// the predecessor's handler has moved. A Server made by New adopts nothing.
func (s *Server) Adopt(c net.Conn, state []byte) error {
	if s.sessions == nil {
		return errors.New("restart/tcp: adopt connection: the Server was not made by NewSessions")
	}
	p, err := parse(state)
	if err != nil {
		return fmt.Errorf("restart/tcp: adopt connection: %w", err)
	}
	if !s.start(newConn(s, c, p)) {
		return net.ErrClosed
	}
	return nil
}

// SetLogger implements [restart.Logging]: [restart.Restarter.Add] calls it.
func (s *Server) SetLogger(l *slog.Logger) { s.restarterLog = l }

func (s *Server) log() *slog.Logger {
	switch {
	case s.Logger != nil:
		return s.Logger
	case s.restarterLog != nil:
		return s.restarterLog
	}
	return slog.Default()
}

// start runs the handler for c. It reports false if it is too late for that.
func (s *Server) start(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.conns[c] = struct{}{}
	if s.isDraining() {
		c.drain()
	}
	go s.handle(c)
	return true
}

func (s *Server) handle(c *Conn) {
	defer s.remove(c)
	defer c.Conn.Close() // does nothing to a connection that has moved
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.log().Error("restart/tcp: handler panicked", "remote", remote(c.Conn),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if s.plain != nil {
		s.plain(ctx, c.Conn)
		return
	}
	s.sessions(ctx, c)
}

// remote returns the address of c's peer. There may be none: the kernel forgets
// it when the peer resets the connection.
func remote(c net.Conn) string {
	if a := c.RemoteAddr(); a != nil {
		return a.String()
	}
	return "unknown"
}

func (s *Server) remove(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	if len(s.conns) == 0 && s.empty != nil {
		close(s.empty)
		s.empty = nil
	}
}
