package restarthttp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"example.com/restart"
)

// DefaultLinger is the linger time if Server.Linger is zero and a successor serves.
// Without a successor it is one second.
const (
	DefaultLinger = 5 * time.Second
	stopLinger    = time.Second
)

// A Server is an [http.Server] that can be restarted. Start it with [Serve] or
// one of its ListenAndServe methods, or add it to a [restart.Restarter] of your
// own: it is a [restart.Service]. It serves once, and must not be copied. Set its
// fields before you start it. Several goroutines may call its methods.
type Server struct {
	// HTTP is the server to be restarted. It must not be nil. The program may set
	// all its fields, but must not start it, shut it down or close it. When the
	// Server starts, it wraps Handler, ConnState, ConnContext and BaseContext, and
	// with TLS it replaces TLSConfig by a copy that has the predecessor's keys of
	// session tickets.
	HTTP *http.Server

	// Name identifies the server's listener across restarts, see
	// [restart.Restarter.Add]. If it is empty, the address does, so that a new
	// version with another address has another listener. Set Name if the address
	// may change.
	Name string

	// CertFile and KeyFile are the files of a certificate and its key. If they are
	// set, the server speaks TLS. Each generation reads the files anew.
	CertFile, KeyFile string

	// TLS makes the server speak TLS even if CertFile and KeyFile are empty. The
	// certificates are then those of HTTP.TLSConfig.
	TLS bool

	// MoveTLS lets HTTP/1 connections with TLS 1.3, or with TLS 1.2 and an AEAD
	// cipher suite, move to a successor that has MoveTLS set too. Their keys then
	// pass from process to process, in memory only. In the successor, ConnContext
	// and ConnState get something else than a *tls.Conn for such a connection, and
	// ExportKeyingMaterial does not work. docs/security.md says what that means for
	// security, docs/connections.md what moves.
	MoveTLS bool

	// BeforeBegin, if not nil, is called with the address that the server is bound
	// to, just before the server starts. A successor has not taken over by then,
	// and may yet fail to do so: [restart.Restarter.Serving] tells when it has.
	// Only [Serve] and the ListenAndServe methods call BeforeBegin.
	BeforeBegin func(address string)

	// Linger is how long a connection that cannot move stays open in a drain while
	// it waits for a request. Then it is closed, and a request that is on its way
	// at that very moment is lost. The time begins with the connection's turn: in a
	// process that was replaced, the turns are spread over half of Linger, so that
	// not all clients come back at once. Zero means DefaultLinger, or one second
	// when the process stops for good. Negative means that such connections are
	// closed at once; requests that have begun are answered.
	//
	// Whatever Linger is, connections that wait for a request are closed when a
	// quarter of [restart.Options.HammerTime] is left of the drain, or ten seconds
	// if that is less. No request begins after that.
	//
	// With HTTP/2, Linger bounds the wait for the client's answer to the first
	// GOAWAY, and before that, if there has been no request yet, the wait for one.
	// After the answer no request can be on its way, and the connection is closed at
	// the latest a second after its last stream. A negative Linger gives the client
	// no time: streams that are on their way are lost.
	Linger time.Duration

	// Logger receives events that no return value reports. Nil means the
	// Restarter's logger, or slog.Default() without a Restarter. Errors of requests
	// go to HTTP.ErrorLog instead.
	Logger *slog.Logger

	restarterLogger *slog.Logger // see SetLogger

	once       restart.ServeOnce
	hooks      hooks
	onShutdown callbacks
	tickets    tickets
	run        atomic.Pointer[run] // nil until Serve
	announced  atomic.Int64        // connections told to close
	lameDuck   atomic.Bool

	selfCheck func() int // for tests; nil means the function of that name
}

// NewServer returns a Server for the TCP address addr, with the settings of
// [DefaultReadTimeout], [DefaultWriteTimeout], [DefaultMaxHeaderBytes] and
// [DefaultMoveTLS]. An empty addr means ":http", or ":https" with TLS. A nil
// handler means http.DefaultServeMux.
func NewServer(addr string, handler http.Handler) *Server {
	s := Wrap(&http.Server{
		Addr:           addr,
		Handler:        handler,
		ReadTimeout:    DefaultReadTimeout,
		WriteTimeout:   DefaultWriteTimeout,
		MaxHeaderBytes: DefaultMaxHeaderBytes,
	})
	s.MoveTLS = DefaultMoveTLS
	return s
}

// Wrap returns &Server{HTTP: s}. Add the result to a Restarter, not s itself: a
// bare http.Server is a [restart.Service] too, but its Shutdown closes idle
// connections at once, and requests on their way to them are lost.
func Wrap(s *http.Server) *Server { return &Server{HTTP: s} }

var errNoHTTP = errors.New("restart/http: serve: the HTTP field of the Server is nil: use NewServer or Wrap")

func (s *Server) speaksTLS() bool { return s.TLS || s.CertFile != "" || s.KeyFile != "" }

func (s *Server) logger() *slog.Logger {
	switch {
	case s.Logger != nil:
		return s.Logger
	case s.restarterLogger != nil:
		return s.restarterLogger
	}
	return slog.Default()
}

// SetLogger implements [restart.Logging].
func (s *Server) SetLogger(l *slog.Logger) { s.restarterLogger = l }

// Serve implements [restart.Service]: a Restarter calls it. It fails if the program
// has added the Server to a Restarter of its own and has called [Server.Before] or
// [Server.After]: those hooks would never run.
func (s *Server) Serve(l net.Listener) error {
	if err := s.once.Begin(l); err != nil {
		return err
	}
	defer s.once.End()
	if s.HTTP == nil {
		return errNoHTTP
	}
	if err := s.hooks.checkNonePending(); err != nil {
		return err
	}
	if s.speaksTLS() {
		if err := s.checkCertificate(); err != nil {
			return err
		}
		s.HTTP.TLSConfig = s.tickets.configWithKeys(s.HTTP.TLSConfig)
	}
	r := newRun(s, l)
	s.run.Store(r)
	if s.speaksTLS() {
		return s.HTTP.ServeTLS(r.listener, s.CertFile, s.KeyFile)
	}
	return s.HTTP.Serve(r.listener)
}

// checkCertificate returns an error that names the files; that of ServeTLS does not.
func (s *Server) checkCertificate() error {
	if s.CertFile == "" && s.KeyFile == "" {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile); err != nil {
		return fmt.Errorf("restart/http: load certificate %s with key %s: %w", s.CertFile, s.KeyFile, err)
	}
	return nil
}

// Shutdown implements [restart.Service]: a Restarter calls it. It moves connections,
// tells clients to reconnect, and finishes requests, as the package documentation
// says. It does not wait for hijacked connections; the Restarter does.
func (s *Server) Shutdown(ctx context.Context) error {
	if s.HTTP == nil {
		return nil
	}
	s.onShutdown.call()
	s.once.Stop(ctx)
	if r := s.run.Load(); r != nil {
		return r.drain(ctx)
	}
	return s.HTTP.Shutdown(ctx) // never served
}

// Close closes the listener and all connections at once, except those that are
// hijacked or on their way to the successor. A Restarter calls it when a drain
// takes too long, see [restart.Options.HammerTime].
func (s *Server) Close() error {
	if s.HTTP == nil {
		return nil
	}
	now, cancel := context.WithCancel(context.Background())
	cancel()
	s.once.Stop(now)
	if r := s.run.Load(); r != nil {
		r.stopMoving()
	}
	return s.HTTP.Close()
}

// Adopt implements [restart.Adopter]: a Restarter calls it with a connection that
// the same server in the predecessor has handed over. state says what is to be
// known of the connection; nil means that it has HTTP/1 without TLS and waits for a
// request. Adopt returns an error, and leaves c as it was, if this server cannot
// serve the connection.
func (s *Server) Adopt(c net.Conn, state []byte) error {
	r := s.run.Load()
	if r == nil {
		return errNotYet
	}
	return r.adopt(c, state)
}

// AdoptedKinds implements [restart.KindAdopter]: a Restarter calls it to tell the
// predecessor which connections Adopt takes besides HTTP/1 without TLS.
func (s *Server) AdoptedKinds() []string {
	r := s.run.Load()
	if r == nil || r.mover.check() != nil {
		return nil
	}
	kinds := []string{keptKindOf(r.mover)}
	if kind := r.mover.kind(); kind != "" {
		kinds = append(kinds, kind)
	}
	return kinds
}

// RegisterOnShutdown is like [http.Server.RegisterOnShutdown]: it makes a drain call
// f at its beginning, in a goroutine of its own, so that f can end what would
// otherwise go on for long. Functions that are registered with the HTTP field are
// called only at the end, when no request may begin any more.
func (s *Server) RegisterOnShutdown(f func()) { s.onShutdown.add(f) }

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

// Announced returns how many clients were told to reconnect because their connection
// could not move. [restart.Restarter.Status] has the sum over all services.
func (s *Server) Announced() int { return int(s.announced.Load()) }
