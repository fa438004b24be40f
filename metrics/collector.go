// Package metrics exports metrics of a [restart.Restarter] to Prometheus: the state of
// the process, how restarts went and how long each phase took, what became of
// connections, and which earlier generations still drain.
//
//	c := metrics.New(r) // before Run
//	prometheus.MustRegister(c)
//	mux.Handle("/metrics", promhttp.Handler())
//	r.Add("metrics", "tcp", ":9090", c.Carry(restarthttp.NewServer("", mux)))
//
// README.md lists the metrics and says how to read them; grafana.json is a
// dashboard.
//
// # Counters across a restart
//
// Each generation is a process of its own, so counters of other packages begin at
// zero after a restart, as after any start of a process. PromQL's rate and increase
// know that. But Prometheus reaches only the generation that serves: what an old one
// counts after its last scrape is never seen. [Collector.Carry] therefore moves all
// counts to the successor. What became of the connections of a process that drains is
// added there when the drain is over.
package metrics

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"example.com/restart"
)

// A Collector is a [prometheus.Collector] of one Restarter. Make one with New. Its
// methods may be called by several goroutines.
type Collector struct {
	r *restart.Restarter

	mu       sync.Mutex
	counts   counts
	given    counts        // what State has given to the successor
	replaced chan struct{} // closed when the counts include the restart that has replaced this process
}

// New returns a collector of what happens to r from now on. Call it once for each
// Restarter, before Run.
func New(r *restart.Restarter) *Collector {
	c := &Collector{r: r, counts: newCounts(), replaced: make(chan struct{})}
	r.OnEvent(c.observe)
	return c
}

func (c *Collector) observe(e restart.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch e.Kind {
	case restart.EventPhase:
		c.counts.phase(e.Phase.String(), e.Elapsed.Seconds())
	case restart.EventFailed:
		c.counts.Failures[resultOf(e.Err)]++
	case restart.EventReplaced:
		close(c.replaced)
	case restart.EventEarlierDrained:
		c.counts.Connections.add(connections{HandedOver: float64(e.HandedOver), Announced: float64(e.Announced), Cut: float64(e.Cut)}, 1)
	case restart.EventUndone:
		c.counts.Failures[resultUndone]++
		c.replaced = make(chan struct{})
	}
}

// The results of a restart. The label of restart_restarts_total has these values
// and no others.
const (
	resultReplaced = "replaced"
	resultFailed   = "failed"  // a successor was tried, or could not be
	resultRefused  = "refused" // nothing was tried
	resultVetoed   = "vetoed"  // by a Before hook
	resultUndone   = "undone"  // in its probation: the process serves again
)

// resultOf returns the result of a restart that has failed.
func resultOf(err error) string {
	e, ok := errors.AsType[*restart.RestartError](err)
	switch {
	case !ok:
		return resultRefused
	case e.Phase == restart.PhaseHooks:
		return resultVetoed
	default:
		return resultFailed
	}
}

// Describe implements prometheus.Collector.
func (c *Collector) Describe(out chan<- *prometheus.Desc) {
	out <- restarts
	out <- phases
	for _, m := range gauges {
		out <- m.desc
	}
	for _, m := range connCounters {
		out <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (c *Collector) Collect(out chan<- prometheus.Metric) {
	s := c.r.Status()
	// A generation is the result of a good restart, so this count needs no carrying.
	out <- prometheus.MustNewConstMetric(restarts, prometheus.CounterValue, float64(s.Generation-1), resultReplaced)
	c.mu.Lock()
	earlier := c.counts.Connections
	for result, n := range c.counts.Failures {
		out <- prometheus.MustNewConstMetric(restarts, prometheus.CounterValue, n, result)
	}
	for phase, h := range c.counts.Phases {
		out <- prometheus.MustNewConstHistogram(phases, h.Count, h.Sum, h.buckets(), phase)
	}
	c.mu.Unlock()
	for _, m := range gauges {
		m.collect(s, func(v float64, labels ...string) {
			out <- prometheus.MustNewConstMetric(m.desc, prometheus.GaugeValue, v, labels...)
		})
	}
	for _, m := range connCounters {
		out <- prometheus.MustNewConstMetric(m.desc, prometheus.CounterValue, m.count(s, earlier))
	}
}
