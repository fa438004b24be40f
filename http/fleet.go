package http

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"
)

// A fleet holds a server's connections. The last step of a drain waits until
// none of those with HTTP/1 is left.
type fleet struct {
	mu    sync.Mutex
	mode  mode
	conns map[*conn]struct{} // HTTP/1
	gone  chan struct{}      // not nil: somebody waits; closed when conns is empty

	http2, hijacked map[*conn]struct{}
}

func newFleet() *fleet {
	return &fleet{
		conns:    make(map[*conn]struct{}),
		http2:    make(map[*conn]struct{}),
		hijacked: make(map[*conn]struct{}),
	}
}

// add takes c into the fleet, and into its drain if there is one.
func (f *fleet) add(c *conn) {
	f.mu.Lock()
	f.conns[c] = struct{}{}
	m := f.mode
	f.mu.Unlock()
	if m != modeServe {
		c.begin(m, nil)
	}
}

func (f *fleet) remove(c *conn) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	delete(f.http2, c)
	delete(f.hijacked, c)
	f.check()
}

// leave moves c, which HTTP/1 has done with, to one of the other sets.
func (f *fleet) leave(c *conn, to map[*conn]struct{}) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.conns, c)
	to[c] = struct{}{}
	f.check()
}

func (f *fleet) check() {
	if len(f.conns) == 0 && f.gone != nil {
		close(f.gone)
		f.gone = nil
	}
}

// begin starts the drain of all connections: it moves them in modeMove, and
// tells those that cannot move, one after another within the time for that. It
// returns when every one has had its turn, or with ctx.
func (f *fleet) begin(ctx context.Context, m mode, within time.Duration) {
	f.mu.Lock()
	f.mode = m
	conns, stay := keys(f.conns), keys(f.http2)
	hijacked := keys(f.hijacked)
	f.mu.Unlock()
	for _, c := range hijacked {
		c.begin(m, nil)
	}
	if m != modeMove {
		stay = append(stay, conns...)
	}
	for _, c := range stay {
		c.tell() // the turns are for requests that are yet to come
	}
	if m == modeMove {
		f.moveAll(ctx, conns)
	}
	p := newAnnouncePace(len(stay), within)
	for _, c := range stay {
		if !f.has(c) {
			continue // nobody needs its turn any more
		}
		if !p.next(ctx) {
			return
		}
		c.begin(m, nil)
	}
}

// moveAll starts the move of conns.
func (f *fleet) moveAll(ctx context.Context, conns []*conn) {
	// Those that do not wait for a request need not wait for their turn either.
	var waiting []*conn
	for _, c := range conns {
		if c.waits() {
			waiting = append(waiting, c)
		} else {
			c.begin(modeMove, nil)
		}
	}
	p := newMovePace(len(waiting))
	for _, c := range waiting {
		if !p.next(ctx) {
			return
		}
		c.begin(modeMove, p.done)
	}
}

func keys(set map[*conn]struct{}) []*conn { return slices.Collect(maps.Keys(set)) }

// has reports whether c is open. It may be the handler's by now, which is to
// learn of the drain too.
func (f *fleet) has(c *conn) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, http1 := f.conns[c]
	_, http2 := f.http2[c]
	_, hijacked := f.hijacked[c]
	return http1 || http2 || hijacked
}

// whenGone returns a channel that is closed as soon as there is no HTTP/1
// connection.
func (f *fleet) whenGone() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.gone == nil {
		f.gone = make(chan struct{})
	}
	gone := f.gone
	f.check()
	return gone
}

// speaksHTTP2 reports whether there are HTTP/2 connections.
func (f *fleet) speaksHTTP2() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.http2) > 0
}
