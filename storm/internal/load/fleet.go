package load

import (
	"context"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/restart/storm/internal/tally"
)

// Fleet is all the load on a server.
type Fleet struct {
	env     *env
	Classes []*Class
	wg      sync.WaitGroup
	stop    context.CancelFunc
}

// env is what all clients share.
type env struct {
	plain, tls string
	timeout    time.Duration
	sizes      Sizes
	phase      *tally.Phase
	answered   func([]byte)
	// stop is done when no new request shall begin; those in flight end by themselves.
	stop context.Context
}

// Class is one class of load and its books.
type Class struct {
	Books *tally.Class
	// Opened is how many connections the class keeps, 0 for one that opens a new one each time.
	Opened  int
	Skipped string // why the class does not run, empty if it does
	lives   []*lifeline
}

// Surviving counts the connections that are open and have been so since the class began.
func (c *Class) Surviving() (n int) {
	for _, l := range c.lives {
		if l.alive() {
			n++
		}
	}
	return n
}

// Target is where the load goes.
type Target struct {
	Plain, TLS string
	Timeout    time.Duration // of one request, beyond the time it was asked to take
	// Answered gets what each GET / on a new connection was answered, by any goroutine.
	Answered func(body []byte)
}

// maker starts the clients of a class.
type maker struct {
	name  string
	count func(Sizes) int
	probe func(context.Context, *env) error
	run   func(*env, *Class, int) // one client; nil for the class that keeps no connections
}

func makers() []maker {
	return []maker{
		{"busy", func(s Sizes) int { return s.Busy }, probeRoot, runBusy},
		{"think", func(s Sizes) int { return s.Think }, probeEcho, runThink},
		{"idle", func(s Sizes) int { return s.Idle }, probeRoot, runIdle},
		{"fresh", func(s Sizes) int { return s.Fresh }, probeRoot, nil},
		{"slow", func(s Sizes) int { return s.Slow }, probeSlow, runSlow},
		{"download", func(s Sizes) int { return s.Download }, probeDownload, runDownload},
		{"pipeline", func(s Sizes) int { return s.Pipeline }, probeRoot, runPipeline},
		{"tls", func(s Sizes) int { return s.TLS }, probeTLS, runTLS},
		{"h2", func(s Sizes) int { return s.HTTP2 }, probeHTTP2, runHTTP2},
		{"ws", func(s Sizes) int { return s.WS }, probeWS, runWS},
	}
}

// Start asks the server which endpoints it has, and starts the clients of all classes that it can serve. A class that it
// cannot serve is in Classes with the reason why it was skipped.
func Start(ctx context.Context, t Target, sizes Sizes, phase *tally.Phase) *Fleet {
	stop, cancel := context.WithCancel(context.WithoutCancel(ctx))
	f := &Fleet{stop: cancel, env: &env{
		plain: t.Plain, tls: t.TLS, timeout: t.Timeout, sizes: sizes, phase: phase, answered: t.Answered, stop: stop,
	}}
	// Ask for everything before anything runs: an answer that is late because of the load is no missing endpoint.
	var begin []func()
	for _, m := range makers() {
		n := m.count(sizes)
		if n == 0 {
			continue
		}
		c := &Class{Books: tally.NewClass(m.name, phase)}
		f.Classes = append(f.Classes, c)
		if err := m.probe(ctx, f.env); err != nil {
			c.Skipped = err.Error()
			continue
		}
		if m.run == nil {
			begin = append(begin, func() { runFresh(f.env, c) })
			continue
		}
		c.Opened = n
		c.lives = make([]*lifeline, n)
		for i := range n {
			c.lives[i] = &lifeline{}
			begin = append(begin, func() { m.run(f.env, c, i) })
		}
	}
	for _, run := range begin {
		f.wg.Go(run)
	}
	return f
}

// Totals adds up the requests and losses of all classes.
func (f *Fleet) Totals() (requests, lost int64) {
	for _, c := range f.Classes {
		t := c.Books.Totals()
		requests += t.Requests()
		lost += t.Lost()
	}
	return requests, lost
}

// Connections counts the connections that are kept, and those alive since the start.
func (f *Fleet) Connections() (opened, surviving int) {
	for _, c := range f.Classes {
		opened += c.Opened
		surviving += c.Surviving()
	}
	return opened, surviving
}

// Cut adds the latencies since the last Cut to h and returns the losses since then.
func (f *Fleet) Cut(h *hdrhistogram.Histogram) (lost int64) {
	for _, c := range f.Classes {
		lost += c.Books.Cut(h)
	}
	return lost
}

// Stop lets no new request begin, and returns when those in flight have ended.
func (f *Fleet) Stop() {
	f.stop()
	f.wg.Wait()
}

// Close closes the connections, after Stop and after the survivors have been counted.
func (f *Fleet) Close() {
	for _, c := range f.Classes {
		for _, l := range c.lives {
			if l.left != nil {
				l.left()
			}
		}
	}
}
