package http

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"example.com/restart"
)

// A core is what a Server has besides net/http's: the connections, and what
// becomes of them in a drain.
type core struct {
	fleet  *fleet
	server *Server
	ready  chan struct{} // closed when prepare is done
	served chan struct{} // closed when the real listener's Serve has returned

	listener  *listener
	selfCheck func() int // see selfCheck
	buffer    int        // what it returned
	successor func(context.Context) sender
	lobby     *lobby
	feeding   sync.WaitGroup

	drains atomic.Bool // from the beginning of the drain on
	send   atomic.Pointer[sender]
	linger atomic.Int64 // a time.Duration, from the beginning of the drain on

	tickets *tickets

	onShutdown callbacks

	announced atomic.Int64 // connections told to close
}

// A sender moves a connection to the successor, or fails and leaves it as it
// was.
type sender func(net.Conn) error

func newCore() *core {
	return &core{
		fleet:     newFleet(),
		ready:     make(chan struct{}),
		served:    make(chan struct{}),
		selfCheck: selfCheck,
		successor: senderFrom,
		tickets:   newTickets(),
	}
}

// senderFrom returns the way to the successor that Shutdown's context carries,
// nil if there is none.
func senderFrom(ctx context.Context) sender {
	h, ok := restart.HandoverFrom(ctx)
	if !ok {
		return nil
	}
	return func(c net.Conn) error { return h.Send(c, nil) }
}

// prepare puts the core between l and net/http.
func (k *core) prepare(s *Server, l net.Listener) {
	k.server = s
	k.listener = &listener{Listener: l, core: k}
	k.hook(s.Server)
	if s.tls {
		if s.TLSConfig == nil {
			s.TLSConfig = new(tls.Config)
		}
		s.TLSConfig = s.TLSConfig.Clone() // another server may have the same
		k.tickets.install(s.TLSConfig)
	}
	k.lobby = newLobby(l.Addr())
	if !s.tls {
		// Tried out while nobody waits yet: a drain has no time for it, and it
		// brings into memory the code that the first requests will need.
		k.buffer = k.selfCheck()
		// net/http serves several listeners side by side. This one ends with
		// the server.
		k.feeding.Go(func() { s.Server.Serve(k.lobby) })
	}
	close(k.ready)
}

// A listener wraps what it accepts.
type listener struct {
	net.Listener
	core *core
}

func (l *listener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := l.core.wrap(c, l.core.server.tls)
	l.core.fleet.add(w)
	return w, nil
}

// wrap makes a conn that stays in this process or may move.
func (k *core) wrap(c net.Conn, stays bool) *conn {
	w := newConn(c, k, stays)
	w.full = k.buffer
	return w
}

type connKey struct{}

// hook makes net/http tell the core what happens.
func (k *core) hook(s *http.Server) {
	handler, connState, connContext := s.Handler, s.ConnState, s.ConnContext
	if base := s.BaseContext; base != nil {
		// Once, as the program expects, and not for the lobby as well.
		once := sync.OnceValue(func() context.Context { return base(k.listener.Listener) })
		s.BaseContext = func(net.Listener) context.Context { return once() }
	}
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if k.drains.Load() {
			k.announce(w, r)
		}
		if handler == nil {
			http.DefaultServeMux.ServeHTTP(w, r)
			return
		}
		handler.ServeHTTP(w, r)
	})
	s.ConnState = func(nc net.Conn, state http.ConnState) {
		// A deadline that the program sets for an idle connection must not seem
		// to be one of net/http's, which count from here.
		if state == http.StateIdle && connState != nil {
			connState(nc, state)
		}
		if c := unwrap(nc); c != nil {
			k.stateChanged(c, nc, state)
		}
		if state != http.StateIdle && connState != nil {
			connState(nc, state)
		}
	}
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if c := unwrap(nc); c != nil {
			ctx = context.WithValue(ctx, connKey{}, c)
		}
		if connContext != nil {
			ctx = connContext(ctx, nc)
		}
		return ctx
	}
}

// announce tells a client whose connection cannot move that it closes.
func (k *core) announce(w http.ResponseWriter, r *http.Request) {
	c, ok := r.Context().Value(connKey{}).(*conn)
	if !ok {
		return
	}
	if now, first := c.announce(); now {
		w.Header().Set("Connection", "close") // GOAWAY in HTTP/2
		if first {
			k.announced.Add(1)
		}
	}
}

// unwrap finds our connection below TLS.
func unwrap(nc net.Conn) *conn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	c, _ := nc.(*conn)
	return c
}

func (k *core) stateChanged(c *conn, nc net.Conn, state http.ConnState) {
	to := waitOf(state)
	switch {
	case state == http.StateNew:
		return
	case state == http.StateHijacked:
		k.fleet.leave(c, k.fleet.hijacked)
	case to != waitOver && c.turnsOutHTTP2(nc):
		k.fleet.leave(c, k.fleet.http2)
		to = waitOver
	}
	c.state(to)
}

// waitOf translates net/http's states.
func waitOf(s http.ConnState) wait {
	switch s {
	case http.StateNew:
		return waitFirst
	case http.StateActive:
		return waitNone
	case http.StateIdle:
		return waitNext
	case http.StateHijacked, http.StateClosed:
	}
	return waitOver
}

// adopt takes a connection of the predecessor's.
func (k *core) adopt(c net.Conn) error {
	select {
	case <-k.ready:
	default:
		return errors.New("restart/http: the server does not serve yet")
	}
	if k.server.tls {
		return errors.New("restart/http: the server speaks TLS, the connection does not")
	}
	if !k.admit(k.wrap(c, false)) {
		return http.ErrServerClosed
	}
	return nil
}

// admit lets c, which waits for a request, wait on in the lobby.
func (k *core) admit(c *conn) bool {
	c.inLobby = true
	k.fleet.add(c)
	if !k.lobby.admit(c) {
		k.fleet.remove(c)
		return false
	}
	return true
}
