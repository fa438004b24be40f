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
	// NewServer sets. They have the values of a zero [http.Server]: no time-outs,
	// and 1 MiB.
	DefaultReadTimeout    time.Duration
	DefaultWriteTimeout   time.Duration
	DefaultMaxHeaderBytes = http.DefaultMaxHeaderBytes

	// DefaultHammerTime is how long a drain may take under the Restarter that
	// Default makes, see [restart.Options.HammerTime]: negative means for ever.
	DefaultHammerTime = restart.DefaultHammerTime
)

// DefaultKeeper says whether the Restarter that Default makes keeps the PID of the
// program, see [restart.Keeper]. As it is, in the first process of a container. Set
// it before the first call of Default, and call Default early in main if what main
// does before it serves should not be done twice.
var DefaultKeeper = restart.KeeperAutomatic

// DefaultMoveTLS is what NewServer and ListenAndServeTLS set in Server.MoveTLS.
// Package endless has nothing of the kind.
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
// The end of ctx is like SIGTERM. All servers are added before any is served; if
// one cannot be, Serve returns an error that names it, nothing of them is served,
// and the program should end.
//
// Serve with no servers runs the Restarter for services that were added to it
// otherwise. It may be called several times, but a successor takes an inherited
// listener for removed that was not claimed before its first call.
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
// is served as net/http does. Each generation reads the files anew. The result,
// and the last line of main, are those of [ListenAndServe]:
//
//	if err := restarthttp.ListenAndServeTLS(addr, certFile, keyFile, handler); !errors.Is(err, http.ErrServerClosed) {
//		log.Fatal(err) // without the test it would exit with status 1 after each good restart
//	}
func ListenAndServeTLS(addr, certFile, keyFile string, handler http.Handler) error {
	return NewServer(addr, handler).ListenAndServeTLS(certFile, keyFile)
}

// ListenAndServe starts the server under the [Default] Restarter and returns when
// the process has drained: [http.ErrServerClosed] if in good order. Several
// servers may be started so, each in a goroutine, and all calls return together;
// but [Serve] starts several with less. To end main, compare the result with
// http.ErrServerClosed first: log.Fatal of it exits with status 1 after each good
// restart. The function ListenAndServe shows the line.
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
		return nil, fmt.Errorf("restart/http: start server %q: its HTTP field is nil", s.Name)
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

// Default returns the Restarter that [Serve] and the ListenAndServe methods use.
// It makes one at the first call, unless SetDefault was called. A program can add
// other services to it and ask it for its Status. Serve or the first
// ListenAndServe runs it: do not call its Run.
func Default() (*restart.Restarter, error) { return shared.get(settleTime) }

// SetDefault makes [Serve] and the ListenAndServe methods use r, which the program
// has made with Options of its own. It does not run r: the first of those does.
// It must be called before them and before Default, and once; otherwise it returns
// an error. If several goroutines call ListenAndServe, set
// [restart.Options.SettleTime].
func SetDefault(r *restart.Restarter) error { return shared.set(r) }

func (p *process) set(r *restart.Restarter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case r == nil:
		return errors.New("restart/http: set the default Restarter: it is nil")
	case p.restarter != nil || p.err != nil:
		return errors.New("restart/http: set the default Restarter: there is one already")
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
