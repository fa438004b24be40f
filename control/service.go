package control

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// These bound what a peer can make the process hold. Requests have no body worth
// mentioning.
const (
	maxBody     = 4 << 10
	maxHeader   = 8 << 10
	readTimeout = 10 * time.Second
	idleTimeout = time.Minute
)

// A process is what a Service controls.
type process interface {
	Restart(context.Context) error
	CancelRestart() bool
	Shutdown()
	Hammer()
	HammerEarlier(generation int) error
	Undo(reason string) error
	Status() restart.Status
	Draining() <-chan struct{}
	OnEvent(func(restart.Event))
}

// A Service is the [restart.Service] that answers on the control socket. It keeps
// the history of restarts, which moves to the successor.
type Service struct {
	process process
	history *history
	turn    chan struct{} // holds a token while a request restarts
	server  *restarthttp.Server

	followers sync.WaitGroup // answers that follow the drain
}

// New returns a Service that controls r. Call it before Run, so that it sees the first
// event. To open the socket as well, use [Add].
func New(r *restart.Restarter) *Service { return newService(r) }

// listenerName is the name of the control socket across restarts.
const listenerName = "control"

// Add adds a Service to r that listens on the Unix socket path, under the name
// "control". An abstract address, such as "@myserver", has no file and so no mode,
// but its peers are checked as well.
func Add(r *restart.Restarter, path string) (*Service, error) {
	s := New(r)
	if _, err := r.Add(listenerName, "unix", path, s); err != nil {
		return nil, err
	}
	return s, nil
}

// AddDefault is [Add] for programs that use [restarthttp.ListenAndServe] or
// [restarthttp.Serve] with no Restarter of their own. Call it before them.
func AddDefault(path string) (*Service, error) {
	r, err := restarthttp.Default()
	if err != nil {
		return nil, err
	}
	return Add(r, path)
}

func newService(p process) *Service {
	s := &Service{process: p, history: newHistory(), turn: make(chan struct{}, 1)}
	s.server = restarthttp.Wrap(&http.Server{
		Handler:        s.handler(),
		ConnContext:    withPeer,
		ReadTimeout:    readTimeout,
		IdleTimeout:    idleTimeout,
		MaxHeaderBytes: maxHeader,
	})
	p.OnEvent(s.observe)
	return s
}

// observe is called with every event. Run waits a moment for it to return, and so
// for the last lines of the answers that follow the drain.
func (s *Service) observe(e restart.Event) {
	s.history.observe(e)
	if e.Kind == restart.EventDrained {
		s.followers.Wait()
	}
}

// PrepareSocket implements [restart.Preparer]: it sets the mode that the file of
// the socket is going to have.
func (s *Service) PrepareSocket(_, _ string, c syscall.RawConn) error { return setMode(c) }

// SetLogger implements [restart.Logging].
func (s *Service) SetLogger(l *slog.Logger) { s.server.SetLogger(l) }

// Serve implements [restart.Service].
func (s *Service) Serve(l net.Listener) error { return s.server.Serve(l) }

// Adopt implements [restart.Adopter].
func (s *Service) Adopt(c net.Conn, state []byte) error { return s.server.Adopt(c, state) }

// Close implements [io.Closer].
func (s *Service) Close() error { return s.server.Close() }

// Shutdown implements [restart.Service]. If a successor serves, Shutdown returns when
// only connections to the control socket are left, so that the history can say how the
// drain went. After an undone probation no successor serves, and nothing is noted.
func (s *Service) Shutdown(ctx context.Context) error {
	err := s.server.Shutdown(ctx)
	if restart.Replaced(ctx) && s.process.Status().Successor != 0 {
		s.history.noteDrain(ctx, s.process)
	}
	return err
}

// State implements [restart.Stateful]. It is called when a restart has begun.
func (s *Service) State() ([]byte, error) {
	s.history.begin(s.process.Status().Generation)
	return s.history.encode(-1)
}

// Restore implements [restart.Stateful].
func (s *Service) Restore(state []byte) error { return s.history.merge(state) }

// LastState implements [restart.StateMerger].
func (s *Service) LastState() ([]byte, error) { return s.history.encode(s.process.Status().Generation) }

// MergeState implements [restart.StateMerger].
func (s *Service) MergeState(changes []byte) error { return s.history.merge(changes) }
