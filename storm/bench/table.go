package bench

import (
	"fmt"
	"io"
	"strings"
)

// WriteTable writes the report for a person to read.
func (rep *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "A: %s\nB: %s\n", rep.A, rep.B)
	if rep.ServerCPUs != nil {
		fmt.Fprintf(&b, "servers on CPU %v, client on CPU %v\n", rep.ServerCPUs, rep.ClientCPUs)
	} else {
		b.WriteString("not pinned: there is only one CPU\n")
	}
	fmt.Fprintf(&b, "%d turns of %v for each; in brackets: the interval of 95 %% confidence\n", rep.Pairs, rep.Time)
	const layout = "%-44s %12s %12s   %-22s %s\n"
	fmt.Fprintf(&b, "\n"+layout, "median of the turns", "A", "B", "A to B", "B to B, the noise")
	for _, r := range rep.Rows {
		fmt.Fprintf(&b, layout, r.Name+", "+r.Unit, number(median(r.A)), number(median(r.B)), r.Ratio, r.Noise)
	}
	rep.writeCalls(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// Decide says in words whether requests and connections per second reach the bar. Failed says that one is below it, unsure
// that the interval of one has the bar in it.
func (rep *Report) Decide(bar float64) (lines []string, failed, unsure bool) {
	for _, r := range rep.Rows {
		if r.Unit != perRequest && r.Unit != perConnection {
			continue
		}
		switch {
		case r.Ratio.High < bar:
			failed = true
			lines = append(lines, fmt.Sprintf("%s: %v is below the bar of %.3f", r.Name, r.Ratio, bar))
		case r.Ratio.Low >= bar:
			lines = append(lines, fmt.Sprintf("%s: %v is not below the bar of %.3f", r.Name, r.Ratio, bar))
		default:
			unsure = true
			lines = append(lines, fmt.Sprintf("%s: %v may be below or above the bar of %.3f: measure more -pairs", r.Name, r.Ratio, bar))
		}
	}
	return lines, failed, unsure
}

func number(v float64) string {
	if v < 100 {
		return fmt.Sprintf("%.2f", v)
	}
	return fmt.Sprintf("%.0f", v)
}

func (r Ratio) String() string { return fmt.Sprintf("%.3f [%.3f, %.3f]", r.Median, r.Low, r.High) }

func (rep *Report) writeCalls(b *strings.Builder) {
	switch {
	case rep.DownloadSize == 0:
		return
	case rep.NoCalls != "":
		fmt.Fprintf(b, "\nsystem calls not counted: %s\n", rep.NoCalls)
		return
	}
	fmt.Fprintf(b, "\nsystem calls of the server for a download of %d MiB\n", rep.DownloadSize>>20)
	for _, name := range []string{"sendfile", "splice", "write", "read", "epoll_pwait"} {
		fmt.Fprintf(b, "  %-12s A %6d   B %6d\n", name, rep.CallsA[name], rep.CallsB[name])
	}
}
