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

// ErrDraining is the cause of the end of the handlers' context, see
// [context.Cause], and what [Conn.Wait] returns then.
var ErrDraining = errors.New("restart/tcp: the process drains")

// A Server serves each connection of one listener by a function, in a goroutine
// of its own. It is a [restart.Service] and a [restart.Adopter]; its Close ends
// all connections. Make one with New or NewSessions, for each listener its own.
//
// When the function returns, the connection is closed. When it panics, too, and
// the panic is logged with its stack; other connections go on.
type Server struct {
	// Logger gets panics and failures of Accept. Nil means slog.Default(). It
	// must be set before Serve.
	Logger *slog.Logger

	plain    func(context.Context, net.Conn)
	sessions func(context.Context, *Conn) // one of the two

	ctx    context.Context // the handlers'
	cancel context.CancelCauseFunc

	stopping chan struct{} // closed when nothing is to be accepted any more
	served   chan struct{} // closed when Serve has returned

	mu       sync.Mutex
	serving  bool
	listener net.Listener
	conns    map[*Conn]struct{}
	handover *restart.Handover
	stopped  bool          // stopping is closed
	draining bool          // ctx has ended
	empty    chan struct{} // not nil: somebody waits; closed when conns is empty
	over     bool          // nobody looks after connections any more
}

// New returns a Server that calls handle for each connection. The connection is
// as the listener gave it, so that io.Copy finds sendfile(2) and splice(2) and
// NetConn the socket itself. It does not move: in a drain handle finishes what
// it has begun, as ctx tells it.
func New(handle func(ctx context.Context, c net.Conn)) *Server {
	s := newServer()
	s.plain = handle
	return s
}

// NewSessions returns a Server that calls handle for each connection, also for
// those that come from the predecessor with [Conn.Move].
func NewSessions(handle func(ctx context.Context, c *Conn)) *Server {
	s := newServer()
	s.sessions = handle
	return s
}

func newServer() *Server {
	s := &Server{
		stopping: make(chan struct{}),
		served:   make(chan struct{}),
		conns:    make(map[*Conn]struct{}),
	}
	s.ctx, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// Serve implements [restart.Service]. It can be called once. When no descriptor
// or memory is left for another connection it waits, up to a second, and tries
// again; the clients wait in the accept queue.
func (s *Server) Serve(l net.Listener) error {
	if err := s.begin(l); err != nil {
		l.Close()
		return err
	}
	defer close(s.served)
	defer l.Close()
	return s.accept(l)
}

// Why Serve may do nothing.
var (
	errTwice  = errors.New("restart/tcp: a Server serves one listener")
	errUnmade = errors.New("restart/tcp: a Server is made by New or NewSessions")
)

func (s *Server) begin(l net.Listener) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.ctx == nil:
		return errUnmade
	case s.serving:
		return errTwice
	case s.stopped:
		return net.ErrClosed
	}
	s.serving = true
	s.listener = l
	return nil
}

// Adopt implements [restart.Adopter]: it calls the handler for a connection
// that the predecessor's handler has moved here.
func (s *Server) Adopt(c net.Conn, state []byte) error {
	if s.sessions == nil {
		return errors.New("restart/tcp: a Server made by New adopts nothing")
	}
	p, err := parse(state)
	if err != nil {
		return err
	}
	if !s.start(newConn(s, c, p)) {
		return net.ErrClosed
	}
	return nil
}

// start runs the handler for c, unless it is too late.
func (s *Server) start(c *Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return false
	}
	s.conns[c] = struct{}{}
	if s.draining {
		c.drain()
	}
	go s.handle(c)
	return true
}

func (s *Server) handle(c *Conn) {
	defer s.remove(c)
	defer c.Conn.Close() // does nothing to a connection that has moved
	defer func() {
		if p := recover(); p != nil {
			s.log().Error("restart/tcp: a handler panicked", "remote", c.RemoteAddr().String(),
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
		}
	}()
	if s.plain != nil {
		s.plain(s.ctx, c.Conn)
		return
	}
	s.sessions(s.ctx, c)
}

func (s *Server) log() *slog.Logger {
	if s.Logger != nil {
		return s.Logger
	}
	return slog.Default()
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
