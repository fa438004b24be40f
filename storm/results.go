package storm

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/report"
)

// finishReport fills the report, after the load has stopped and before its connections are closed.
func (r *run) finishReport() {
	rep := r.report
	rep.Seconds = time.Since(r.began).Seconds()
	rep.Classes = r.classReports()
	if p := r.classReport(r.probes); p.Answered+p.Lost() > 0 {
		rep.Classes = append(rep.Classes, p)
	}
	rep.Steady, rep.Restarting, rep.Control = r.loadLatency(tally.Steady), r.loadLatency(tally.Restarting), r.loadLatency(tally.Control)
	for _, c := range rep.Classes {
		rep.Requests += c.Answered + c.Lost()
		rep.Lost += c.Lost()
		rep.Kept += c.Kept
		rep.Survived += c.Survived
		if c.Stay {
			rep.Ended += c.Kept - c.Survived
		}
	}
	r.timeline.mu.Lock()
	defer r.timeline.mu.Unlock()
	for _, p := range r.timeline.restarts {
		rep.Restarts = append(rep.Restarts, p.Restart)
	}
	rep.Timeline = r.timeline.moments
	rep.Notes = append(rep.Notes, r.timeline.remarks...)
}

// classReports returns the classes of the load.
func (r *run) classReports() (all []report.Class) {
	for _, c := range r.clients.Classes {
		x := r.classReport(c.Counts)
		x.Skipped, x.Kept, x.Survived, x.Stay = c.Skipped, c.Opened, c.Surviving(), c.Stay
		all = append(all, x)
	}
	return all
}

func (r *run) classReport(counts *tally.Class) report.Class {
	t := counts.Totals()
	c := report.Class{
		Name:       counts.Name,
		Answered:   t.Outcomes[tally.Answered],
		Refused:    t.Outcomes[tally.Refused],
		Reset:      t.Outcomes[tally.Reset],
		Truncated:  t.Outcomes[tally.Truncated],
		Wrong:      t.Outcomes[tally.Wrong],
		TimedOut:   t.Outcomes[tally.TimedOut],
		ClosedIdle: t.ClosedIdle,
		Announced:  t.Announced,
		Resent:     t.Resent,
		Steady:     latency(counts.Histogram(tally.Steady)),
		Restarting: latency(counts.Histogram(tally.Restarting)),
		Control:    latency(counts.Histogram(tally.Control)),
	}
	for _, l := range t.Losses {
		c.Losses = append(c.Losses, report.Loss{At: r.since(l.At), Outcome: l.Outcome.String(), Why: l.Why})
	}
	return c
}

// loadLatency is the latency of all classes together. The probes are not part of it: without a restart there are none.
func (r *run) loadLatency(k tally.Kind) report.Latency {
	all := tally.NewHistogram()
	for _, c := range r.clients.Classes {
		all.Merge(c.Counts.Histogram(k)) // all have the same bounds, so nothing is dropped
	}
	return latency(all)
}

func latency(h *hdrhistogram.Histogram) report.Latency {
	ms := func(us int64) float64 { return float64(us) / 1000 }
	if h.TotalCount() == 0 {
		return report.Latency{}
	}
	return report.Latency{
		Count: h.TotalCount(),
		P50:   ms(h.ValueAtQuantile(50)),
		P99:   ms(h.ValueAtQuantile(99)),
		P999:  ms(h.ValueAtQuantile(99.9)),
		Max:   ms(h.Max()),
	}
}
