package http

import (
	"context"
	"net"
	"net/http"
	"os"
	"sync/atomic"

	"example.com/restart"
)

// A Server is an [http.Server] that can be restarted. All fields of that may be
// set as usual, before it is started. It is a [restart.Service], for programs
// that have a Restarter of their own; others call ListenAndServe.
type Server struct {
	*http.Server

	// Name stands for the server's listener across restarts, see
	// [restart.Restarter.Add]. Empty means the address, which is then fixed:
	// another address is another listener. Set it if the address may change.
	Name string

	// BeforeBegin, if not nil, is called with the address that the server is
	// bound to, just before it starts to serve.
	BeforeBegin func(address string)

	certFile, keyFile string
	tls               bool
	started           atomic.Bool
}

// NewServer returns a Server for the TCP address addr, ":http" if empty, with
// the package's default time-outs.
func NewServer(addr string, handler http.Handler) *Server {
	return &Server{Server: &http.Server{
		Addr:           addr,
		Handler:        handler,
		ReadTimeout:    DefaultReadTimeout,
		WriteTimeout:   DefaultWriteTimeout,
		MaxHeaderBytes: DefaultMaxHeaderBytes,
	}}
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
	s.tls, s.certFile, s.keyFile = true, certFile, keyFile
	return s.listenAndServe(":https")
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

// Serve implements [restart.Service].
func (s *Server) Serve(l net.Listener) error {
	if s.tls {
		return s.Server.ServeTLS(l, s.certFile, s.keyFile)
	}
	return s.Server.Serve(l)
}

// Shutdown implements [restart.Service].
func (s *Server) Shutdown(ctx context.Context) error { return s.Server.Shutdown(ctx) }
