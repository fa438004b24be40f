package report

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// WriteTable writes the report for a person to read.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s\n%d requests in %.1f s, %d restarts\n\n", r.Server, r.Requests, r.Seconds, len(r.Restarts)-len(r.Failed()))
	b.WriteString(alignTable(r.outcomeRows()))
	b.WriteString("\nlatency of answered requests, in ms\n")
	b.WriteString(alignTable(r.latencyRows()))
	b.WriteString(r.ratioLine())
	if restarts := r.restartLines() + r.resourceLine(); restarts != "" {
		b.WriteString("\n" + restarts)
	}
	r.writeLosses(&b)
	for _, line := range Skipped(r.Classes) {
		fmt.Fprintf(&b, "skipped: %s\n", line)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	fmt.Fprintf(&b, "\n%s\n", r.Verdict())
	_, err := io.WriteString(w, b.String())
	return err
}

func (r *Report) outcomeRows() [][]string {
	rows := [][]string{{
		"class", "answered", "refused", "reset", "truncated", "wrong", "timed out", "LOST", "",
		"closed idle", "announced", "resent", "survived",
	}}
	var sum Class
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

func outcomeRow(c Class) []string {
	survived := "-"
	if c.Kept > 0 {
		survived = fmt.Sprintf("%d/%d", c.Survived, c.Kept)
		if c.Stay && c.Survived < c.Kept {
			survived = "ENDED " + survived
		}
	}
	return []string{
		c.Name, count(c.Answered), count(c.Refused), count(c.Reset), count(c.Truncated), count(c.Wrong), count(c.TimedOut),
		strconv.FormatInt(c.Lost(), 10), "", count(c.ClosedIdle), count(c.Announced), count(c.Resent), survived,
	}
}

// count prints a dot for 0, so that other numbers stand out.
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

// ratioLine compares the latency while restarting to the steady one. It is empty where there is nothing to compare.
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
