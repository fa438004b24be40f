package storm

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/restart/storm/internal/tally"
)

// finish makes the report, after the load has stopped and before its connections are closed.
func (r *run) finish() {
	rep := r.report
	rep.Seconds = time.Since(r.began).Seconds()
	for _, c := range r.fleet.Classes {
		cr := r.classReport(c.Books)
		cr.Skipped, cr.Kept, cr.Survived = c.Skipped, c.Opened, c.Surviving()
		rep.Classes = append(rep.Classes, cr)
	}
	if p := r.classReport(r.probes); p.Answered+p.Lost() > 0 {
		rep.Classes = append(rep.Classes, p)
	}
	rep.Steady, rep.Restarting, rep.Control = r.allLatency(tally.Steady), r.allLatency(tally.Restarting), r.allLatency(tally.Control)
	for _, c := range rep.Classes {
		rep.Requests += c.Answered + c.Lost()
		rep.Lost += c.Lost()
		rep.Kept += c.Kept
		rep.Survived += c.Survived
	}
	r.timeline.mu.Lock()
	defer r.timeline.mu.Unlock()
	for _, p := range r.timeline.restarts {
		rep.Restarts = append(rep.Restarts, p.RestartReport)
	}
	rep.Timeline = r.timeline.moments
	rep.Notes = append(rep.Notes, r.timeline.remarks...)
}

func (r *run) classReport(books *tally.Class) ClassReport {
	t := books.Totals()
	c := ClassReport{
		Name:       books.Name,
		Answered:   t.Outcomes[tally.Answered],
		Refused:    t.Outcomes[tally.Refused],
		Reset:      t.Outcomes[tally.Reset],
		Truncated:  t.Outcomes[tally.Truncated],
		Wrong:      t.Outcomes[tally.Wrong],
		TimedOut:   t.Outcomes[tally.TimedOut],
		ClosedIdle: t.ClosedIdle,
		Announced:  t.Announced,
		Resent:     t.Resent,
		Steady:     latency(books.Histogram(tally.Steady)),
		Restarting: latency(books.Histogram(tally.Restarting)),
		Control:    latency(books.Histogram(tally.Control)),
	}
	for _, l := range t.Losses {
		c.Losses = append(c.Losses, LossReport{r.since(l.At), l.Outcome.String(), l.Why})
	}
	return c
}

// allLatency is that of the load. The probes for a new process are not part of it: there are none without a restart.
func (r *run) allLatency(k tally.Kind) Latency {
	all := tally.NewHistogram()
	for _, c := range r.fleet.Classes {
		all.Merge(c.Books.Histogram(k)) // of the same bounds: nothing is dropped
	}
	return latency(all)
}

func latency(h *hdrhistogram.Histogram) Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	if h.TotalCount() == 0 {
		return Latency{}
	}
	return Latency{
		Count: h.TotalCount(),
		P50:   ms(h.ValueAtQuantile(50)),
		P99:   ms(h.ValueAtQuantile(99)),
		P999:  ms(h.ValueAtQuantile(99.9)),
		Max:   ms(h.Max()),
	}
}
