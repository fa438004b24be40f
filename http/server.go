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

// DefaultLinger is what zero means in Server.Linger while a successor serves.
// When the process stops for good it is one second.
const (
	DefaultLinger = 5 * time.Second
	stopLinger    = time.Second
)

// A Server is an [http.Server] that can be restarted. Start it with [Serve] or
// one of its ListenAndServe methods, or add it to a [restart.Restarter] of your
// own: it is a [restart.Service]. It serves once, and must not be copied. All
// fields must be set before; the methods may be called by several goroutines.
type Server struct {
	// HTTP is the server to be restarted. All its fields may be set. It must not
	// be started, shut down or closed by the program, and must not be nil.
	// Starting the Server sets Handler, ConnState, ConnContext and BaseContext to
	// functions that call what was there and, with TLS, replaces TLSConfig by a
	// copy with the keys of session tickets that a predecessor has left.
	HTTP *http.Server

	// Name stands for the server's listener across restarts, see
	// [restart.Restarter.Add]. Empty means the address, which is then fixed:
	// another address is another listener. Set it if the address may change.
	Name string

	// CertFile and KeyFile are the files of a certificate and its key. Each
	// generation reads them anew. If they are set, the server speaks TLS.
	CertFile, KeyFile string

	// TLS makes the server speak TLS also if CertFile and KeyFile are empty. Its
	// certificates are then those of HTTP.TLSConfig.
	TLS bool

	// MoveTLS makes connections of HTTP/1 with TLS move to the successor like those
	// without, if it has MoveTLS set too: TLS 1.3, and TLS 1.2 with AEAD cipher
	// suites. Their keys then go from process to process, in memory only. In the
	// successor such a connection is not a *tls.Conn, which ConnContext and
	// ConnState must expect, and has no ExportKeyingMaterial. See
	// docs/security.md for what that means, and docs/connections.md for what moves.
	MoveTLS bool

	// BeforeBegin, if not nil, is called with the address that the server is
	// bound to, just before it starts to serve. In a successor that is before it
	// has taken over, and it may yet fail to; [restart.Restarter.Serving] tells
	// when it has. Only [Serve] and the ListenAndServe methods call BeforeBegin.
	BeforeBegin func(address string)

	// Linger is how long a connection that cannot move, once it has had its turn
	// in a drain, stays open while it waits for a request. It is then closed,
	// which loses a request that is on its way at that very moment. Where the
	// process is replaced the turns are spread over half of that time, so that
	// not all clients come back at once. Zero means DefaultLinger, and one
	// second when the process stops for good. Negative means that such a
	// connection is closed at once; requests that have begun are answered.
	//
	// Whatever Linger is, no request begins when a quarter of
	// [restart.Options.HammerTime], or ten seconds if that is less, is left of the
	// drain: connections that wait for one are closed then.
	//
	// With HTTP/2, Linger bounds how long the client may take to answer that it
	// begins no more streams. When it has, no request can be on its way, and the
	// connection closes a second after its last stream at the latest. A negative
	// Linger gives it no time: streams that are on their way are lost.
	Linger time.Duration

	// Logger receives events that no return value reports. Nil means the
	// Restarter's logger, and slog.Default() without a Restarter. It is not for
	// requests: those errors go to HTTP.ErrorLog.
	Logger *slog.Logger

	restarterLogger *slog.Logger // see SetLogger

	once       restart.ServeOnce
	hooks      hooks
	onShutdown callbacks
	tickets    tickets
	run        atomic.Pointer[run] // nil until Serve
	announced  atomic.Int64        // connections told to close
	lameDuck   atomic.Bool

	selfCheck func() int // nil means the function of that name
}

// NewServer returns a Server for the TCP address addr, ":http" if empty (":https"
// with TLS), with the package's default time-outs. A nil handler means
// http.DefaultServeMux.
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

// Wrap returns &Server{HTTP: s}. Add the result to a Restarter instead of s
// itself: a bare http.Server is a [restart.Service] too, but all that its
// Shutdown can do is to close idle connections at once, and the requests on
// their way to them are lost.
func Wrap(s *http.Server) *Server { return &Server{HTTP: s} }

var errNoHTTP = errors.New("restart/http: serve: the HTTP field of the Server is nil")

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

// Serve implements [restart.Service]: a Restarter calls it. It fails if Before or
// After was called, whose hooks would never run.
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

// checkCertificate says which file is wrong; ServeTLS would not.
func (s *Server) checkCertificate() error {
	if s.CertFile == "" && s.KeyFile == "" {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(s.CertFile, s.KeyFile); err != nil {
		return fmt.Errorf("restart/http: load certificate %s with key %s: %w", s.CertFile, s.KeyFile, err)
	}
	return nil
}

// Shutdown implements [restart.Service]: a Restarter calls it. It moves, announces
// and finishes connections as the package documentation says. Hijacked
// connections are not waited for.
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

// Close closes the listener and all connections at once but those that are
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
// the server of the same name in the predecessor has handed over. A nil state
// means a connection of HTTP/1 without TLS that waits for a request. Adopt
// refuses, and leaves c as it was, when it does not know the state, and
// when the server speaks TLS.
func (s *Server) Adopt(c net.Conn, state []byte) error {
	r := s.run.Load()
	if r == nil {
		return errNotYet
	}
	return r.adopt(c, state)
}

// AdoptedKinds implements [restart.KindAdopter]: a Restarter calls it.
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

// RegisterOnShutdown is [http.Server.RegisterOnShutdown]: f is called, in a
// goroutine of its own, when a drain begins, so that it can end what would
// otherwise go on for long. A function that was registered with HTTP itself is
// called in the end only, when no request may begin any more.
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

// Announced returns how many connections were told to close because they could
// not move. [restart.Restarter.Status] adds it up.
func (s *Server) Announced() int { return int(s.announced.Load()) }
