package compare

import (
	"errors"
	"strings"
	"testing"

	"example.com/restart/storm/report"
)

func TestTable(t *testing.T) {
	think := report.Class{Name: "think", Steady: report.Latency{P99: 1.26}, Restarting: report.Latency{P99: 1234.5}}
	losing := think
	losing.Refused, losing.Reset, losing.Truncated, losing.Wrong, losing.TimedOut = 1, 2, 3, 4, 5
	rows := []Result{
		{Name: "clean", Report: &report.Report{
			Requests: 123456789, Kept: 64, Survived: 64,
			Classes:  []report.Class{{Name: "fresh", Answered: 9, ClosedIdle: 3}, think},
			Restarts: make([]report.Restart, 10),
		}},
		{Name: "haproxy idle-close-on-response", Report: &report.Report{
			Requests: 1000, Lost: 16, Kept: 8,
			Classes: []report.Class{
				{Name: "h2", Skipped: "no TLS"},
				losing,
				{Name: "fresh", Reset: 1},
			},
			Restarts:  []report.Restart{{Number: 1}, {Number: 2, Failed: "nobody came"}},
			Undrained: []int{17, 18},
		}},
		{Name: "idle", Report: &report.Report{}},
		{Name: "nginx", Err: errors.New("skipped: nginx is not installed\nlast lines of a log")},
	}
	want := []string{
		"",
		"                                  restarts  requests    lost  connections alive     p99 steady restarting, ms",
		"clean                                10/10 123456789       0              64/64            1.3         1234.5",
		"haproxy idle-close-on-response         1/2      1000      16                0/8            1.3         1234.5",
		"                                 lost in think 15, fresh 1",
		"                                 skipped h2 (no TLS)",
		"                                 2 old processes still ran when the run ended",
		"                                 restart 2: nobody came",
		"idle                                   0/0         0       0                0/0              -              -",
		"nginx                            skipped: nginx is not installed",
		"",
	}
	var b strings.Builder
	if err := WriteTable(&b, rows); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(b.String(), "\n")
	for i := range max(len(got), len(want)) {
		g, w := "no line", "no line"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if g != w {
			t.Errorf("line %d:\ngot  %q\nwant %q", i, g, w)
		}
	}
}

// A long name widens the column of names.
func TestTableFitsLongNames(t *testing.T) {
	var b strings.Builder
	long := Result{Name: strings.Repeat("long ", 12), Report: &report.Report{}}
	if err := WriteTable(&b, []Result{long}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(b.String(), "\n")[1:]
	if got, want := len(lines[1]), len(lines[0]); got != want {
		t.Errorf("got a line of %d columns, want %d:\n%s", got, want, b.String())
	}
}
