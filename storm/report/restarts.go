package report

import (
	"fmt"
	"strings"
)

// restartLines says how long the restarts took, and which of them failed.
func (r *Report) restartLines() string {
	var first, gone []float64
	var failed strings.Builder
	running := 0
	for _, x := range r.Restarts {
		switch {
		case x.Failed != "":
			fmt.Fprintf(&failed, "restart %d at %.1f s failed: %s\n", x.Number, x.At, x.Failed)
			continue
		case x.OldPID == 0: // only the URL was known
			continue
		case x.Gone > 0:
			gone = append(gone, x.Gone)
		default:
			running++
		}
		first = append(first, x.FirstAnswer)
	}
	rows := [][]string{{"from the trigger, in ms", "median", "longest"}}
	for _, l := range []struct {
		name   string
		values []float64
	}{{"new process answers", first}, {"old process has ended", gone}} {
		if len(l.values) > 0 {
			rows = append(rows, []string{l.name, ms(quantile(l.values, 0.5)), ms(quantile(l.values, 1))})
		}
	}
	s := ""
	if len(rows) > 1 {
		s = alignTable(rows)
	}
	if running > 0 {
		s += fmt.Sprintf("%d old processes did not end\n", running)
	}
	return s + failed.String()
}

// resourceLine compares the serving process at the beginning and at the end, where a leak would show.
func (r *Report) resourceLine() string {
	var first, last *Moment
	for i := range r.Timeline {
		if m := &r.Timeline[i]; m.PID != 0 {
			if first == nil && m.At >= min(1, r.Seconds/2) {
				first = m
			}
			last = m
		}
	}
	if len(r.Restarts) == 0 || first == nil || last == nil {
		return ""
	}
	return fmt.Sprintf("serving process: open files %d at first, %d at last; memory %.1f MiB at first, %.1f MiB at last\n",
		first.OpenFiles, last.OpenFiles, mib(first.RSS), mib(last.RSS))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

// writeLosses describes the first losses of each class.
func (r *Report) writeLosses(b *strings.Builder) {
	const each = 3
	for _, c := range r.Classes {
		for i, l := range c.Losses {
			if i == 0 {
				fmt.Fprintf(b, "\nlost in %s, the first of %d:\n", c.Name, c.Lost())
			}
			if i == each {
				break
			}
			fmt.Fprintf(b, "  at %.3f s%s: %s: %s\n", l.At, r.afterRestart(l.At), l.Outcome, l.Why)
		}
	}
}

func (r *Report) afterRestart(at float64) string {
	for i := len(r.Restarts) - 1; i >= 0; i-- {
		if x := r.Restarts[i]; x.At <= at {
			return fmt.Sprintf(", %.0f ms after restart %d", (at-x.At)*1000, x.Number)
		}
	}
	return ""
}
