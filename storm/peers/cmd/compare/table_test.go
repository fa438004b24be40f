package main

import (
	"errors"
	"strings"
	"testing"

	"example.com/restart/storm"
)

func TestTable(t *testing.T) {
	think := storm.ClassReport{Name: "think", Steady: storm.Latency{P99: 1.26}, Restarting: storm.Latency{P99: 1234.5}}
	losing := think
	losing.Refused, losing.Reset, losing.Truncated, losing.Wrong, losing.TimedOut = 1, 2, 3, 4, 5
	rows := []result{
		{name: "clean", report: &storm.Report{
			Requests: 123456789, Kept: 64, Survived: 64,
			Classes:  []storm.ClassReport{{Name: "fresh", Answered: 9, ClosedIdle: 3}, think},
			Restarts: make([]storm.RestartReport, 10),
		}},
		{name: "haproxy idle-close-on-response", report: &storm.Report{
			Requests: 1000, Lost: 16, Kept: 8,
			Classes: []storm.ClassReport{
				{Name: "h2", Skipped: "no TLS"},
				losing,
				{Name: "fresh", Reset: 1},
			},
			Restarts:  []storm.RestartReport{{Number: 1}, {Number: 2, Failed: "nobody came"}},
			Undrained: []int{17, 18},
		}},
		{name: "idle", report: &storm.Report{}},
		{name: "nginx", err: errors.New("skipped: nginx is not installed\nlast lines of a log")},
	}
	want := []string{
		"",
		"                                  restarts  requests    lost  connections alive     p99 steady restarting, ms",
		"clean                                10/10 123456789       0              64/64            1.3         1234.5",
		"haproxy idle-close-on-response         1/2      1000      16                0/8            1.3         1234.5",
		"                                 lost in think 15, fresh 1",
		"                                 skipped h2: no TLS",
		"                                 2 old processes still ran when the run ended",
		"                                 restart 2: nobody came",
		"idle                                   0/0         0       0                0/0              -              -",
		"nginx                            skipped: nginx is not installed",
		"",
	}
	got := strings.Split(table(rows), "\n")
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

// What makes a table go wrong first is a peer with a longer name.
func TestPeersFitTheTable(t *testing.T) {
	for _, c := range peers(nil) {
		lines := strings.Split(table([]result{{name: c.name, report: &storm.Report{}}}), "\n")[1:]
		if got, want := len(lines[1]), len(lines[0]); got != want {
			t.Errorf("%s: got %d columns, want %d", c.name, got, want)
		}
	}
}
