package http

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"example.com/restart"
)

// DefaultLinger is what zero means in Server.Linger when a successor serves,
// stopLinger when nobody does any more.
const (
	DefaultLinger = 5 * time.Second
	stopLinger    = time.Second
)

// A Server is an [http.Server] that can be restarted. All fields of that may be
// set as usual, before it is started. It is a [restart.Service], for programs
// that have a Restarter of their own; others call ListenAndServe.
//
// When the process is replaced, connections of HTTP/1 without TLS move to the
// successor, still open, as soon as they wait for a request; their clients
// notice nothing. There they are idle: IdleTimeout counts anew, and
// ReadHeaderTimeout from the next request's first byte. Connections with TLS or
// HTTP/2 cannot move. They are told to close, by "Connection: close" or GOAWAY,
// and stay open for Linger, so that a request that is on its way is answered.
// Hijacked connections are the handler's: it learns of the drain by [Draining],
// and Run waits for them until the hammer.
//
// Starting a Server sets Handler, ConnState, ConnContext of the http.Server to
// functions that call what was there, and with TLS makes TLSConfig, or adds to
// it, the keys of session tickets. Its own Shutdown and Close must be left
// to the Restarter.
type Server struct {
	*http.Server

	// Name stands for the server's listener across restarts, see
	// [restart.Restarter.Add]. Empty means the address, which is then fixed:
	// another address is another listener. Set it if the address may change.
	Name string

	// BeforeBegin, if not nil, is called with the address that the server is
	// bound to, just before it starts to serve. In a successor that is before
	// it has taken over, and it may yet fail to: who serves is in the PID file.
	BeforeBegin func(address string)

	// Linger is how long a connection that cannot move, once it has had its turn
	// in a drain, stays open while it waits for a request. It is then closed,
	// which loses a request that is on its way at that very moment. Where the
	// process is replaced the turns are spread over half of that time, so that
	// not all clients come back at once. Zero means DefaultLinger, and one
	// second when the process stops for good; negative means not at all.
	Linger time.Duration

	certFile, keyFile string
	tls               bool
	started           atomic.Bool

	core *core
}

// NewServer returns a Server for the TCP address addr, ":http" if empty, with
// the package's default time-outs.
func NewServer(addr string, handler http.Handler) *Server {
	return Wrap(&http.Server{
		Addr:           addr,
		Handler:        handler,
		ReadTimeout:    DefaultReadTimeout,
		WriteTimeout:   DefaultWriteTimeout,
		MaxHeaderBytes: DefaultMaxHeaderBytes,
	})
}

// Wrap returns a Server around s, which must not be started otherwise. Add the
// result to a Restarter instead of s itself: a bare http.Server is a
// [restart.Service] too, but all that its Shutdown can do is to close idle
// connections at once, and the requests on their way to them are lost.
func Wrap(s *http.Server) *Server { return &Server{Server: s, core: newCore()} }

// TLS makes Serve speak TLS with the certificate and key in the files, which
// each generation reads anew, or with those in TLSConfig if the names are
// empty. It returns s. ListenAndServeTLS implies it.
func (s *Server) TLS(certFile, keyFile string) *Server {
	s.tls, s.certFile, s.keyFile = true, certFile, keyFile
	return s
}

// Before adds a hook to the default Restarter, see [restart.Restarter.Before].
func (s *Server) Before(sig os.Signal, h restart.Hook) error {
	r, err := Default()
	if err != nil {
		return err
	}
	r.Before(sig, h)
	return nil
}

// After adds a hook to the default Restarter, see [restart.Restarter.After].
func (s *Server) After(sig os.Signal, h restart.Hook) error {
	r, err := Default()
	if err != nil {
		return err
	}
	r.After(sig, h)
	return nil
}

// ListenAndServe adds the server to the default Restarter and returns when the
// process has drained: [http.ErrServerClosed] if in good order.
func (s *Server) ListenAndServe() error { return s.listenAndServe(":http") }

// ListenAndServeTLS is like ListenAndServe, with TLS. The files may be empty
// if TLSConfig has certificates.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	return s.TLS(certFile, keyFile).listenAndServe(":https")
}

func (s *Server) listenAndServe(defaultAddr string) error {
	if s.started.Swap(true) {
		return errTwice
	}
	r, err := Default()
	if err != nil {
		return err
	}
	addr := s.Addr
	if addr == "" {
		addr = defaultAddr
	}
	name := s.Name
	if name == "" {
		name = addr
	}
	bound, err := r.Add(name, "tcp", addr, s)
	if err != nil {
		return err
	}
	if s.BeforeBegin != nil {
		s.BeforeBegin(bound.String())
	}
	return shared.wait()
}

// RegisterOnShutdown is [http.Server.RegisterOnShutdown]: f is called, in a
// goroutine of its own, when a drain begins, so that it can end what would
// otherwise go on for long. What was registered with the http.Server itself
// before Wrap is called in the end only, when nothing goes on any more.
func (s *Server) RegisterOnShutdown(f func()) {
	if s.core == nil {
		s.Server.RegisterOnShutdown(f)
		return
	}
	s.core.onShutdown.add(f)
}

// errUnmade says that a Server was not made properly.
var errUnmade = errors.New("restart/http: a Server is made by NewServer or Wrap")

// Announced returns how many connections were told to close because they could
// not move. [restart.Restarter.Status] adds it up.
func (s *Server) Announced() int {
	if s.core == nil {
		return 0
	}
	return int(s.core.announced.Load())
}

// Serve implements [restart.Service].
func (s *Server) Serve(l net.Listener) error {
	if s.core == nil {
		return errUnmade
	}
	s.core.prepare(s, l)
	defer close(s.core.served)
	if s.tls {
		if err := s.checkCertificate(); err != nil {
			return err
		}
		return s.Server.ServeTLS(s.core.listener, s.certFile, s.keyFile)
	}
	return s.Server.Serve(s.core.listener)
}

// checkCertificate says which file is wrong; ServeTLS would not.
func (s *Server) checkCertificate() error {
	if s.certFile == "" && s.keyFile == "" {
		return nil
	}
	if _, err := tls.LoadX509KeyPair(s.certFile, s.keyFile); err != nil {
		return fmt.Errorf("restart/http: certificate %s with key %s: %w", s.certFile, s.keyFile, err)
	}
	return nil
}

// Shutdown implements [restart.Service].
func (s *Server) Shutdown(ctx context.Context) error {
	if s.core == nil {
		return errUnmade
	}
	return s.core.shutdown(ctx, s)
}

// Adopt implements [restart.Adopter]: it takes a connection that the server of
// the same name in the predecessor has handed over.
func (s *Server) Adopt(c net.Conn, _ []byte) error {
	if s.core == nil {
		return errUnmade
	}
	return s.core.adopt(c)
}
