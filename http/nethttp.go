package restarthttp

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync/atomic"

	"example.com/restart"
)

// A run is a Server that serves: what is between its listener and net/http.
type run struct {
	server   *Server
	listener *accepting
	conns    *conns
	parked   *parked
	mover    mover
	buffer   int // the size of net/http's read buffer; 0: not known

	successor func(context.Context) sender
	sender    atomic.Pointer[sender] // set while connections move
	draining  atomic.Bool
	resumes   atomic.Bool // a request that was not over has moved here
}

// newRun puts a run between l and net/http.
func newRun(s *Server, l net.Listener) *run {
	r := &run{server: s, successor: senderFrom}
	r.listener = &accepting{Listener: l, run: r}
	r.conns = newConns(r.depart)
	r.conns.departKept = r.departKept
	r.conns.announced = func() { s.announced.Add(1) }
	r.parked = newParked(l.Addr(), r.conns, s.HTTP.Serve)
	// This runs the self-checks. Now nobody waits for them; in a drain many would.
	// And they load the code that the first requests need.
	r.mover = moverOf(s)
	switch m := r.mover.(type) {
	case plainMover:
		r.buffer = m.buffer
	case tlsMover:
		r.buffer = m.buffer
		if m.log != nil {
			m.log.Install(s.HTTP.TLSConfig) // a copy of our own
		}
	}
	r.follow(s.HTTP)
	return r
}

// newConn makes a conn that moves if it can.
func (r *run) newConn(nc net.Conn) *conn {
	m := movable
	if r.mover.check() != nil {
		m = fixed
	}
	c := newConn(nc, r.conns, m)
	c.life.full = r.buffer
	return c
}

// connKey is the key of the conn in the contexts of its requests.
type connKey struct{}

// connOf returns the connection of a request's context, nil if it is none of ours.
func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// follow makes net/http tell the run what happens.
func (r *run) follow(s *http.Server) {
	handler, connState, connContext := s.Handler, s.ConnState, s.ConnContext
	s.BaseContext = r.baseContext(s, s.BaseContext)
	s.Handler = http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		switch {
		case r.draining.Load():
			if r.takeOut(w, req, connState) {
				return
			}
			r.announce(w, req)
		case r.server.lameDuck.Load():
			r.sendAway(w, req)
		}
		if req.Header["Upgrade"] != nil || r.resumes.Load() {
			w = r.prepareKeep(w, req)
		}
		if handler == nil {
			http.DefaultServeMux.ServeHTTP(w, req)
			return
		}
		handler.ServeHTTP(w, req)
	})
	s.ConnState = func(nc net.Conn, state http.ConnState) {
		if h, ok := nc.(*secureHTTP2); ok {
			nc = h.Conn
		}
		c := unwrap(nc)
		if c != nil && c.isProbed() && state != http.StateClosed {
			return // nobody has sent this request
		}
		// A deadline that the program sets for an idle connection must not seem
		// to be one of net/http's, which count from here.
		if state == http.StateIdle && connState != nil {
			connState(nc, state)
		}
		if c != nil {
			c.stateChanged(nc, state)
		}
		if state != http.StateIdle && connState != nil {
			connState(nc, state)
		}
	}
	s.ConnContext = func(ctx context.Context, nc net.Conn) context.Context {
		if c := unwrap(nc); c != nil {
			ctx = context.WithValue(ctx, connKey{}, c)
			ctx = restart.WithDraining(ctx, c.draining)
		}
		if connContext != nil {
			ctx = connContext(ctx, nc)
		}
		return ctx
	}
}

// unwrap finds our connection below TLS.
func unwrap(nc net.Conn) *conn {
	switch t := nc.(type) {
	case *tls.Conn:
		nc = t.NetConn()
	case *secure:
		return t.conn
	}
	c, _ := nc.(*conn)
	return c
}

// takeOut takes the connection of a probe from net/http, see conn.takeOut. It tells
// the program's connState that net/http has closed the connection.
func (r *run) takeOut(w http.ResponseWriter, req *http.Request, connState func(net.Conn, http.ConnState)) bool {
	c := connOf(req.Context())
	if c == nil {
		return false
	}
	nc, probed := c.takeOut(w, req)
	if probed && connState != nil {
		connState(nc, http.StateClosed)
	}
	return probed
}

// stateChanged follows net/http's states. nc is what net/http has of c.
func (c *conn) stateChanged(nc net.Conn, to http.ConnState) {
	switch to {
	case http.StateActive:
		if !c.active && c.isHTTP2(nc) {
			c.leaves(stageHTTP2)
			c.home.become(c, classHTTP2)
			c.untap()
		} else {
			c.leaves(stageBusy)
			c.goesOn()
		}
		c.active = true
	case http.StateIdle:
		c.mu.Lock()
		c.life.idle()
		if c.tapped != nil {
			c.tapped.tap.Mark()
		}
		c.mu.Unlock()
		c.snapshot = nil
		if k := c.kept.Load(); k != nil && !k.idle() {
			c.kept.Store(nil)
		}
	case http.StateHijacked:
		if c.keepsWebSocket() {
			c.leaves(stageHijacked)
			return // the upgrader goes on
		}
		c.hijack(nil)
		c.untap()
	case http.StateNew:
		if c.tapped != nil {
			c.tapped.above, _ = nc.(*tls.Conn)
		}
	case http.StateClosed: // Close was called before
	}
}

func (c *conn) leaves(to stage) {
	c.mu.Lock()
	release, _ := c.carryOutLocked(c.life.leaves(to))
	c.mu.Unlock()
	call(release)
}

// isHTTP2 reports whether the connection turns out to speak HTTP/2. That is known
// at the first change to http.StateActive.
func (c *conn) isHTTP2(nc net.Conn) bool {
	if t, ok := nc.(*tls.Conn); ok {
		return t.ConnectionState().NegotiatedProtocol == "h2"
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.life.sawPreface()
}
