package compare

import (
	"fmt"
	"io"
	"strings"

	"example.com/restart/storm/report"
)

// nameWidth is the least width of the column of names.
const nameWidth = 32

// WriteTable writes a line for each contestant, with notes below it.
func WriteTable(w io.Writer, results []Result) error {
	width := nameWidth
	for _, r := range results {
		width = max(width, len(r.Name))
	}
	var b strings.Builder
	const layout = "%-*s %9s %9s %7s %18s %14s %14s\n"
	fmt.Fprintf(&b, "\n"+layout, width, "", "restarts", "requests", "lost", "connections alive", "p99 steady", "restarting, ms")
	for _, r := range results {
		if r.Err != nil {
			why, _, _ := strings.Cut(r.Err.Error(), "\n")
			fmt.Fprintf(&b, "%-*s %s\n", width, r.Name, why)
			continue
		}
		x := r.Report
		steady, restarting := p99(x)
		fmt.Fprintf(&b, layout, width, r.Name,
			fmt.Sprintf("%d/%d", len(x.Restarts)-len(x.Failed()), len(x.Restarts)),
			fmt.Sprint(x.Requests), fmt.Sprint(x.Lost), fmt.Sprintf("%d/%d", x.Survived, x.Kept), steady, restarting)
		if lost := lostIn(x); lost != "" {
			fmt.Fprintf(&b, "%-*s %s\n", width, "", lost)
		}
		for _, note := range notes(x) {
			fmt.Fprintf(&b, "%-*s %s\n", width, "", note)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// p99 is that of the think class, whose requests are most like those of a proxy in front of a server.
func p99(r *report.Report) (steady, restarting string) {
	for _, c := range r.Classes {
		if c.Name == "think" {
			return fmt.Sprintf("%.1f", c.Steady.P99), fmt.Sprintf("%.1f", c.Restarting.P99)
		}
	}
	return "-", "-"
}

// lostIn says which classes lost requests.
func lostIn(r *report.Report) string {
	var lost []string
	for _, c := range r.Classes {
		if n := c.Lost(); n > 0 {
			lost = append(lost, fmt.Sprintf("%s %d", c.Name, n))
		}
	}
	if len(lost) == 0 {
		return ""
	}
	return "lost in " + strings.Join(lost, ", ")
}

// notes returns other facts that a reader of the numbers should know.
func notes(r *report.Report) (notes []string) {
	for _, line := range report.Skipped(r.Classes) {
		notes = append(notes, "skipped "+line)
	}
	if n := len(r.Undrained); n > 0 {
		processes := "processes"
		if n == 1 {
			processes = "process"
		}
		notes = append(notes, fmt.Sprintf("%d old %s still ran when the run ended", n, processes))
	}
	for _, f := range r.Failed() {
		notes = append(notes, fmt.Sprintf("restart %d: %s", f.Number, f.Failed))
	}
	return notes
}
