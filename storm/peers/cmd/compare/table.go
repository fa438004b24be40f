package main

import (
	"fmt"
	"strings"

	"example.com/restart/storm"
)

// result is how one server did.
type result struct {
	name   string
	report *storm.Report
	err    error
}

func table(rows []result) string {
	var b strings.Builder
	const layout = "%-32s %9s %9s %7s %18s %14s %14s\n"
	fmt.Fprintf(&b, "\n"+layout, "", "restarts", "requests", "lost", "connections alive", "p99 steady", "restarting, ms")
	for _, r := range rows {
		if r.err != nil {
			why, _, _ := strings.Cut(r.err.Error(), "\n")
			fmt.Fprintf(&b, "%-32s %s\n", r.name, why)
			continue
		}
		x := r.report
		steady, restarting := p99(x)
		fmt.Fprintf(&b, layout, r.name,
			fmt.Sprintf("%d/%d", len(x.Restarts)-len(x.Failed()), len(x.Restarts)),
			fmt.Sprint(x.Requests), fmt.Sprint(x.Lost), fmt.Sprintf("%d/%d", x.Survived, x.Kept), steady, restarting)
		for _, note := range notes(x) {
			fmt.Fprintf(&b, "%-32s %s\n", "", note)
		}
	}
	return b.String()
}

// p99 is that of the think class: the one most like what a proxy in front of a server does.
func p99(r *storm.Report) (steady, restarting string) {
	for _, c := range r.Classes {
		if c.Name == "think" {
			return fmt.Sprintf("%.1f", c.Steady.P99), fmt.Sprintf("%.1f", c.Restarting.P99)
		}
	}
	return "-", "-"
}

func notes(r *storm.Report) (notes []string) {
	var lost []string
	for _, c := range r.Classes {
		if n := c.Lost(); n > 0 {
			lost = append(lost, fmt.Sprintf("%s %d", c.Name, n))
		}
		if c.Skipped != "" {
			notes = append(notes, "skipped "+c.Name+": "+c.Skipped)
		}
	}
	if len(lost) > 0 {
		notes = append([]string{"lost in " + strings.Join(lost, ", ")}, notes...)
	}
	if n := len(r.Undrained); n > 0 {
		notes = append(notes, fmt.Sprintf("%d old processes still ran when the run ended", n))
	}
	for _, f := range r.Failed() {
		notes = append(notes, fmt.Sprintf("restart %d: %s", f.Number, f.Failed))
	}
	return notes
}
