package storm

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteTable writes what a person wants to know.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n%d requests in %.1f s, %d restarts\n\n", r.Server, r.Requests, r.Seconds, len(r.Restarts)-len(r.Failed()))
	b.WriteString(formatTable(r.outcomeRows()))
	b.WriteString("\nlatency in ms (of answered requests)\n")
	b.WriteString(formatTable(r.latencyRows()))
	b.WriteString(r.ratioLine())
	if len(r.Restarts) > 0 {
		b.WriteByte('\n')
		b.WriteString(r.restartLines())
	}
	r.writeLosses(&b)
	for _, c := range r.Classes {
		if c.Skipped != "" {
			fmt.Fprintf(&b, "skipped: %s (%s)\n", c.Name, c.Skipped)
		}
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

// Verdict is the report in one line.
func (r *Report) Verdict() string {
	s := fmt.Sprintf("%d of %d requests lost", r.Lost, r.Requests)
	if r.Lost == 0 {
		s = fmt.Sprintf("no request lost of %d", r.Requests)
	}
	s += fmt.Sprintf("; %d of %d connections lived from first to last", r.Survived, r.Kept)
	if n := len(r.Failed()); n > 0 {
		s += fmt.Sprintf("; %d restarts FAILED", n)
	}
	if n := len(r.Undrained); n > 0 {
		s += fmt.Sprintf("; %d old processes still run", n)
	}
	return s
}

func (r *Report) outcomeRows() [][]string {
	rows := [][]string{{
		"class", "answered", "refused", "reset", "truncated", "wrong", "timed out", "LOST", "",
		"closed idle", "announced", "resent", "survived",
	}}
	var sum ClassReport
	for _, c := range r.Classes {
		if c.Skipped != "" {
			continue
		}
		rows = append(rows, outcomeRow(c))
		sum.Answered += c.Answered
		sum.Refused += c.Refused
		sum.Reset += c.Reset
		sum.Truncated += c.Truncated
		sum.Wrong += c.Wrong
		sum.TimedOut += c.TimedOut
		sum.ClosedIdle += c.ClosedIdle
		sum.Announced += c.Announced
		sum.Resent += c.Resent
		sum.Kept += c.Kept
		sum.Survived += c.Survived
	}
	sum.Name = "all"
	return append(rows, nil, outcomeRow(sum))
}

func outcomeRow(c ClassReport) []string {
	survived := "-"
	if c.Kept > 0 {
		survived = fmt.Sprintf("%d/%d", c.Survived, c.Kept)
	}
	return []string{
		c.Name, count(c.Answered), count(c.Refused), count(c.Reset), count(c.Truncated), count(c.Wrong), count(c.TimedOut),
		strconv.FormatInt(c.Lost(), 10), "", count(c.ClosedIdle), count(c.Announced), count(c.Resent), survived,
	}
}

func count(n int64) string {
	if n == 0 {
		return "."
	}
	return strconv.FormatInt(n, 10)
}

func (r *Report) latencyRows() [][]string {
	head := []string{"class", "steady p50", "p99", "p99.9", "max", "", "restarting p50", "p99", "p99.9", "max"}
	controlled := r.Control.Count > 0
	if controlled {
		head = append(head, "", "control p50", "p99", "p99.9", "max")
	}
	row := func(name string, steady, restarting, control Latency) []string {
		row := append([]string{name}, latencyCells(steady)...)
		row = append(append(row, ""), latencyCells(restarting)...)
		if controlled {
			row = append(append(row, ""), latencyCells(control)...)
		}
		return row
	}
	rows := [][]string{head}
	for _, c := range r.Classes {
		if c.Skipped == "" {
			rows = append(rows, row(c.Name, c.Steady, c.Restarting, c.Control))
		}
	}
	return append(rows, nil, row("all", r.Steady, r.Restarting, r.Control))
}

// ratioLine is what a restart does to the latency, in one line; empty where there is nothing to compare.
func (r *Report) ratioLine() string {
	if r.Steady.P99 == 0 || r.Restarting.Count == 0 {
		return ""
	}
	s := fmt.Sprintf("p99 of all while restarting: %.2f times steady", r.Restarting.P99/r.Steady.P99)
	if r.Control.Count > 0 {
		s += fmt.Sprintf("; in the control: %.2f times", r.Control.P99/r.Steady.P99)
	}
	return s + "\n"
}

func latencyCells(l Latency) []string {
	if l.Count == 0 {
		return []string{"-", "-", "-", "-"}
	}
	return []string{ms(l.P50), ms(l.P99), ms(l.P999), ms(l.Max)}
}

func ms(v float64) string {
	if v >= 100 {
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', 2, 64)
}

// formatTable aligns columns: the first to the left, the others to the right. A nil row is a line.
func formatTable(rows [][]string) string {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	total := 0
	for _, w := range widths {
		total += w + 2
	}
	var b strings.Builder
	for _, row := range rows {
		if row == nil {
			b.WriteString(strings.Repeat("─", max(0, total-2)) + "\n")
			continue
		}
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if i == 0 {
				line.WriteString(cell + pad)
				continue
			}
			line.WriteString("  " + pad + cell)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
	return b.String()
}

func (r *Report) restartLines() string {
	var first, gone []float64
	var failed strings.Builder
	alive := 0
	for _, x := range r.Restarts {
		if x.Failed != "" {
			fmt.Fprintf(&failed, "restart %d at %.1f s failed: %s\n", x.Number, x.At, x.Failed)
			continue
		}
		first = append(first, x.FirstAnswer)
		if x.Gone > 0 {
			gone = append(gone, x.Gone)
		} else {
			alive++
		}
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
		s = formatTable(rows)
	}
	if alive > 0 && len(r.Restarts) > 0 {
		s += fmt.Sprintf("%d processes did not end\n", alive)
	}
	return s + failed.String() + r.resourceLine()
}

// resourceLine compares the serving process at the beginning and at the end: growth would show.
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
	if first == nil || last == nil {
		return ""
	}
	return fmt.Sprintf("serving process: open files %d at first, %d at last; memory %.1f MiB at first, %.1f MiB at last\n",
		first.OpenFiles, last.OpenFiles, mib(first.RSS), mib(last.RSS))
}

func mib(n int64) float64 { return float64(n) / (1 << 20) }

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
