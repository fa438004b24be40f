package restarthttp

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/fdutil"
)

// A pair is an old server and a new one in one process: what the old one hands
// over, the new one adopts. Only the way between them differs from a restart.
type pair struct {
	t        *testing.T
	old, new *Server
	addr     string
	drained  chan error // what the old one's Shutdown returned
	ctx      context.Context
	hammer   context.CancelFunc

	mu    sync.Mutex
	moves int
}

// count returns how many connections there are of a class.
func (s *conns) count(of class) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size[of]
}

// newPair serves handler with both. It tells handler by a header which one it
// is.
func newPair(t *testing.T, handler http.Handler) *pair {
	t.Helper()
	return newPairBy(t, handler, func(string, *Server) {})
}

// newPairOf is newPair with a chance to set more.
func newPairOf(t *testing.T, handler http.Handler, set func(*http.Server)) *pair {
	t.Helper()
	return newPairBy(t, handler, func(_ string, s *Server) { set(s.HTTP) })
}

// newPairBy is newPair with a chance to set more of each server, which is "old" or
// "new".
func newPairBy(t *testing.T, handler http.Handler, set func(name string, s *Server)) *pair {
	t.Helper()
	p := &pair{t: t, drained: make(chan error, 1)}
	p.old, p.new = p.serve("old", handler, set), p.serve("new", handler, set)
	p.addr = p.oldRun().listener.Addr().String()
	p.sendBy(func(c net.Conn, state []byte) error {
		// As between two processes the new one gets a descriptor of its own: what
		// the old one does to its own, early or late, stays behind.
		fd, err := fdutil.DupRaw(c.(syscall.Conn))
		if err != nil {
			return err
		}
		moved, errs := fdutil.StreamConns([]int{fd})
		if errs[0] != nil {
			return errs[0]
		}
		if err := p.new.Adopt(moved[0], state); err != nil {
			moved[0].Close()
			return err
		}
		c.Close()
		p.mu.Lock()
		p.moves++
		p.mu.Unlock()
		return nil
	})
	p.ctx, p.hammer = context.WithTimeout(context.Background(), 20*time.Second)
	t.Cleanup(func() {
		p.hammer()
		p.old.Close()
		p.new.Close()
		for _, r := range []*run{p.oldRun(), p.newRun()} {
			r.parked.serving.Wait()
			r.parked.waits.Wait()
		}
	})
	return p
}

func (p *pair) serve(name string, handler http.Handler, set func(string, *Server)) *Server {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	s := Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Served-By", name)
		handler.ServeHTTP(w, r)
	})})
	set(name, s)
	go s.Serve(ln)
	poll(p.t, "the server to serve", func() bool { r := s.run.Load(); return r != nil && r.listener.accepts.Load() })
	return s
}

// sendBy makes send the way to the new server.
func (p *pair) sendBy(send sendFunc) { p.old.sendBy(send) }

// sendBy makes send the way from s to its successor.
func (s *Server) sendBy(send sendFunc) {
	s.run.Load().successor = func(context.Context) sender { return send }
}

// A sendFunc is a sender to a successor that adopts everything.
type sendFunc func(socket net.Conn, state []byte) error

func (f sendFunc) Send(socket net.Conn, state []byte) error { return f(socket, state) }
func (f sendFunc) Adopts(string) bool                       { return true }

func (p *pair) oldRun() *run { return p.old.run.Load() }
func (p *pair) newRun() *run { return p.new.run.Load() }

// only returns the only connection of the old server.
func (p *pair) only() *conn {
	p.t.Helper()
	all := p.oldRun().conns.list()
	if len(all) != 1 {
		p.t.Fatalf("%d connections, want 1", len(all))
	}
	return all[0]
}

// drain begins to drain the old server.
func (p *pair) drain() { go func() { p.drained <- p.old.Shutdown(p.ctx) }() }

// draining waits until the drain has begun for every connection.
func (p *pair) draining() {
	p.t.Helper()
	poll(p.t, "the drain to begin", func() bool {
		s := p.oldRun().conns
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.mode != modeServe
	})
}

// waitIdle waits until every connection of the old server waits for a next
// request.
func (p *pair) waitIdle() {
	p.t.Helper()
	poll(p.t, "the connections to be idle", func() bool {
		for _, c := range p.oldRun().conns.list() {
			c.mu.Lock()
			idle := c.life.stage == stageWaiting && c.life.awaits == awaitsNext && c.life.wait == waitBlocks
			c.mu.Unlock()
			if !idle {
				return false
			}
		}
		return true
	})
}

func (p *pair) moved() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.moves
}

// wantMoves checks how many connections have moved.
func (p *pair) wantMoves(want int) {
	p.t.Helper()
	if got := p.moved(); got != want {
		p.t.Errorf("got %d moves, want %d", got, want)
	}
}

// end waits for the drain to end.
func (p *pair) end() {
	p.t.Helper()
	select {
	case err := <-p.drained:
		if err != nil {
			p.t.Errorf("Shutdown: %v", err)
		}
	case <-time.After(30 * time.Second):
		p.t.Fatal("the drain does not end")
	}
}

// poll waits for something that nothing announces.
func poll(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for bound := time.Now().Add(20 * time.Second); time.Now().Before(bound); <-tick.C {
		if ok() {
			return
		}
	}
	t.Fatalf("waited in vain for %s", what)
}

// echo answers with method, path and body, and counts.
type echo struct {
	mu   sync.Mutex
	seen map[string]int
}

func (e *echo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	e.mu.Lock()
	if e.seen == nil {
		e.seen = make(map[string]int)
	}
	e.seen[r.URL.Path]++
	e.mu.Unlock()
	fmt.Fprintf(w, "%s %s %s %s", r.Method, r.URL.Path, body, r.Trailer.Get("Sum"))
}

func (e *echo) times(path string) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.seen[path]
}
