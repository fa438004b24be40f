package restarthttp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"example.com/restart"
)

// These variables have the names and meanings that they have in package endless.
// Set them before the first call of NewServer, ListenAndServe, Serve or Default.
var (
	// DefaultReadTimeout, DefaultWriteTimeout and DefaultMaxHeaderBytes are what
	// NewServer sets. Unless the program changes them, there are no time-outs, and
	// a header has at most 1 MiB, as with a zero [http.Server].
	DefaultReadTimeout    time.Duration
	DefaultWriteTimeout   time.Duration
	DefaultMaxHeaderBytes = http.DefaultMaxHeaderBytes

	// DefaultHammerTime is the HammerTime of the Restarter that Default makes: how
	// long a drain may take. Negative means without bound. See
	// [restart.Options.HammerTime].
	DefaultHammerTime = restart.DefaultHammerTime
)

// DefaultKeeper says whether the Restarter that Default makes keeps the PID of the
// program, see [restart.Keeper]. Unless the program changes it, only the first
// process of a container does. Set it before the first call of Default. Where the
// PID is kept, main runs twice up to that call, so call Default early.
var DefaultKeeper = restart.KeeperAutomatic

// DefaultMoveTLS is what NewServer and ListenAndServeTLS set in Server.MoveTLS. It is
// not from package endless.
var DefaultMoveTLS bool

// settleTime is how long a successor waits for a ListenAndServe that claims an
// inherited listener, before it takes the listener for removed, see
// [restart.Options.SettleTime].
const settleTime = time.Second

// Serve starts the servers under the [Default] Restarter and returns when the
// process has drained: nil if it was replaced or stopped in good order, so that
// main can end with
//
//	if err := restarthttp.Serve(ctx, public, admin); err != nil {
//		log.Fatal(err)
//	}
//
// The end of ctx has the effect of SIGTERM. Serve adds all servers before it starts
// any. If it cannot add one, it starts none and returns an error that names that
// one; the program should then end.
//
// Without servers, Serve runs the Restarter for services that the program has added
// to it. Serve may be called several times. But all inherited listeners must be
// claimed before its first call: a successor drops those that are not.
func Serve(ctx context.Context, servers ...*Server) error { return shared.serve(ctx, servers...) }

// ListenAndServe is [http.ListenAndServe] with a restart on SIGHUP. It returns
// when the process has drained, with a non-nil error as in net/http:
// [http.ErrServerClosed] if the process was replaced or stopped in good order.
// The last line of main then is
//
//	if err := restarthttp.ListenAndServe(addr, handler); !errors.Is(err, http.ErrServerClosed) {
//		log.Fatal(err)
//	}
//
// Do not write log.Fatal(restarthttp.ListenAndServe(addr, handler)), as is usual
// with net/http: it prints "http: Server closed" and exits with status 1 after
// each good restart. [Serve] returns nil instead.
func ListenAndServe(addr string, handler http.Handler) error {
	return NewServer(addr, handler).ListenAndServe()
}

// ListenAndServeTLS is [http.ListenAndServeTLS] with a restart on SIGHUP. HTTP/2
// is served as by net/http. Each generation reads the files anew. The result, and
// the last line of main, are those of [ListenAndServe]:
//
//	if err := restarthttp.ListenAndServeTLS(addr, certFile, keyFile, handler); !errors.Is(err, http.ErrServerClosed) {
//		log.Fatal(err) // without the test it would exit with status 1 after each good restart
//	}
func ListenAndServeTLS(addr, certFile, keyFile string, handler http.Handler) error {
	return NewServer(addr, handler).ListenAndServeTLS(certFile, keyFile)
}

// ListenAndServe starts the server under the [Default] Restarter and returns when
// the process has drained, with [http.ErrServerClosed] if that was in good order.
// A program may start several servers in this way, each in a goroutine of its own,
// and all calls return together; [Serve] is simpler for that. Do not give the
// result to log.Fatal before you have compared it with http.ErrServerClosed: the
// function [ListenAndServe] shows how.
func (s *Server) ListenAndServe() error { return shared.listenAndServe(s) }

// ListenAndServeTLS is like ListenAndServe, with TLS. It sets the fields TLS,
// CertFile and KeyFile; empty names leave the two files as they are, so that the
// certificates may be those of HTTP.TLSConfig.
func (s *Server) ListenAndServeTLS(certFile, keyFile string) error {
	s.TLS = true
	if certFile != "" || keyFile != "" {
		s.CertFile, s.KeyFile = certFile, keyFile
	}
	return s.ListenAndServe()
}

// addTo adds s to r, with its hooks.
func (s *Server) addTo(r *restart.Restarter) (net.Addr, error) {
	if s == nil {
		return nil, errors.New("restart/http: start a server: it is nil")
	}
	if s.HTTP == nil {
		return nil, fmt.Errorf("restart/http: start server %q: its HTTP field is nil: use NewServer or Wrap", s.Name)
	}
	addr := s.HTTP.Addr
	switch {
	case addr != "":
	case s.speaksTLS():
		addr = ":https"
	default:
		addr = ":http"
	}
	name := s.Name
	if name == "" {
		name = addr
	}
	hooks, err := s.hooks.start()
	if err == nil {
		err = register(r, hooks)
	}
	if err != nil {
		return nil, fmt.Errorf("restart/http: start server %q: %w", name, err)
	}
	bound, err := r.Add(name, "tcp", addr, s)
	if err != nil {
		return nil, fmt.Errorf("restart/http: start server %q: %w", name, err)
	}
	return bound, nil
}

// A process is what all servers of this program share: a process has one
// predecessor and one set of signals.
type process struct {
	mu        sync.Mutex
	restarter *restart.Restarter
	err       error         // of New
	done      chan struct{} // closed when Run has returned; nil before it was called
	ran       error         // what it returned
}

var shared process

// Default returns the Restarter that [Serve] and the ListenAndServe methods use. Its
// first call makes one, unless [SetDefault] was called. A program can add other
// services to it and ask it for its Status. Do not call its Run: the first Serve or
// ListenAndServe does.
func Default() (*restart.Restarter, error) { return shared.get(settleTime) }

// SetDefault makes [Serve] and the ListenAndServe methods use r, which the program
// has made with Options of its own. Call it once, before all of them and before
// [Default]; otherwise it returns an error. It does not run r: the first Serve or
// ListenAndServe does. If several goroutines call ListenAndServe, set
// [restart.Options.SettleTime] in r's Options.
func SetDefault(r *restart.Restarter) error { return shared.set(r) }

func (p *process) set(r *restart.Restarter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r == nil:
		return errors.New("restart/http: set the default Restarter: it is nil")
	case p.restarter != nil || p.err != nil:
		return errors.New("restart/http: set the default Restarter: there is one already: call SetDefault once, before Default, Serve and ListenAndServe")
	}
	p.restarter = r
	return nil
}

// get returns the Restarter. If there is none yet, it makes one that settles in
// the given time.
func (p *process) get(settle time.Duration) (*restart.Restarter, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.restarter == nil && p.err == nil {
		p.restarter, p.err = restart.New(restart.Options{HammerTime: DefaultHammerTime, SettleTime: settle, Keeper: DefaultKeeper})
	}
	return p.restarter, p.err
}

func (p *process) serve(ctx context.Context, servers ...*Server) error {
	r, err := p.get(0)
	if err != nil {
		return err
	}
	bound := make([]net.Addr, len(servers))
	for i, s := range servers {
		if bound[i], err = s.addTo(r); err != nil {
			return err
		}
	}
	for i, s := range servers {
		if s.BeforeBegin != nil {
			s.BeforeBegin(bound[i].String())
		}
	}
	return p.run(ctx)
}

func (p *process) listenAndServe(s *Server) error {
	r, err := p.get(settleTime)
	if err != nil {
		return err
	}
	bound, err := s.addTo(r)
	if err != nil {
		return err
	}
	if s.BeforeBegin != nil {
		s.BeforeBegin(bound.String())
	}
	if err := p.run(context.Background()); err != nil {
		return err
	}
	return http.ErrServerClosed
}

// run runs the Restarter, if this is the first call, and returns when it has
// drained. The end of ctx makes it drain.
func (p *process) run(ctx context.Context) error {
	p.mu.Lock()
	if p.done == nil {
		p.done = make(chan struct{})
		go func() {
			defer close(p.done)
			p.ran = p.restarter.Run(context.Background())
		}()
	}
	p.mu.Unlock()
	select {
	case <-p.done:
	case <-ctx.Done():
		p.restarter.Shutdown()
		<-p.done
	}
	return p.ran
}
