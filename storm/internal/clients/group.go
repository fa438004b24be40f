// Package clients runs the load: classes of clients side by side.
package clients

import (
	"context"
	"slices"
	"sync"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/load"
)

// Group is all clients of a run.
type Group struct {
	Classes []*Class
	wg      sync.WaitGroup
	stop    context.CancelFunc
}

// Class is one class of clients and its counts.
type Class struct {
	Counts *tally.Class
	// Opened is the number of connections that the class keeps; 0 for a class that opens a new one for each request.
	Opened  int
	Skipped string // why the class does not run, empty if it does
	Stay    bool   // no connection of it may end
	firsts  []*firstConn
}

// Surviving counts the connections that are open since the class began.
func (c *Class) Surviving() (n int) {
	for _, f := range c.firsts {
		if f.alive() {
			n++
		}
	}
	return n
}

// Start asks the target whether it can serve each class, and starts the clients of those that it can. Classes also has
// the others, with the reason why they were skipped.
func Start(ctx context.Context, t Target, sizes load.Sizes, phase *tally.Phase) *Group {
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	g := &Group{stop: cancel}
	e := &env{Target: t, sizes: sizes, stop: stop}
	// All probes come before all load: an answer that the load delays must not look like a missing endpoint.
	var begin []func()
	for _, k := range kinds(t) {
		n := k.count(sizes)
		if n == 0 {
			continue
		}
		c := &Class{Counts: tally.NewClass(k.name, phase), Stay: k.name == wsMove || slices.Contains(t.Stay, k.name)}
		g.Classes = append(g.Classes, c)
		if err := k.probe(ctx, e); err != nil {
			c.Skipped = err.Error()
			continue
		}
		if k.run == nil {
			begin = append(begin, func() { runFresh(e, c) })
			continue
		}
		c.Opened = n
		c.firsts = make([]*firstConn, n)
		for i := range n {
			c.firsts[i] = &firstConn{}
			begin = append(begin, func() { k.run(e, c, i) })
		}
	}
	for _, run := range begin {
		g.wg.Go(run)
	}
	return g
}

// Totals adds up the requests and losses of all classes.
func (g *Group) Totals() (requests, lost int64) {
	for _, c := range g.Classes {
		t := c.Counts.Totals()
		requests += t.Requests()
		lost += t.Lost()
	}
	return requests, lost
}

// Connections counts the connections that are kept, and those that are open since the start.
func (g *Group) Connections() (opened, surviving int) {
	for _, c := range g.Classes {
		opened += c.Opened
		surviving += c.Surviving()
	}
	return opened, surviving
}

// Cut adds the latencies since the last Cut to h and returns the losses since then.
func (g *Group) Cut(h *hdrhistogram.Histogram) (lost int64) {
	for _, c := range g.Classes {
		lost += c.Counts.Cut(h)
	}
	return lost
}

// Stop starts no new request, and returns when those in flight have ended.
func (g *Group) Stop() {
	g.stop()
	g.wg.Wait()
}

// Close closes the connections. Call it after Stop, when the survivors have been counted.
func (g *Group) Close() {
	for _, c := range g.Classes {
		for _, f := range c.firsts {
			if f.closeConn != nil {
				f.closeConn()
			}
		}
	}
}
