package storm_test

import (
	"bytes"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/restart/storm"
	"example.com/restart/storm/load"
	"example.com/restart/storm/report"
)

// build makes a test server.
func build(t *testing.T, name string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	out, err := exec.Command("go", "build", "-o", path, "./testdata/"+name).CombinedOutput()
	if err != nil {
		t.Fatalf("go build %s: %v\n%s", name, err, out)
	}
	return path
}

// gentle is a load for a machine that others use too, under the race detector.
func gentle(command ...string) storm.Config {
	c := storm.DefaultConfig()
	c.Command = command
	c.RestartLimit = 10 * time.Second
	c.Timeout = time.Minute // on a busy machine an answer comes late, and is not lost
	c.Warmup, c.Cooldown, c.Every = 500*time.Millisecond, 500*time.Millisecond, time.Second
	c.Load = load.Sizes{
		Busy: 4, Think: 30, Idle: 40, Fresh: 20, Slow: 4, Download: 2, Pipeline: 10, TLS: 10, HTTP2: 4, WS: 4,
		BusyPause: 2 * time.Millisecond, ThinkMin: 5 * time.Millisecond, ThinkMax: 50 * time.Millisecond,
		IdleFor: 200 * time.Millisecond, SlowFor: 500 * time.Millisecond, DownloadSize: 1 << 20, DownloadRate: 2 << 20,
	}
	return c
}

func run(t *testing.T, c storm.Config) *report.Report {
	t.Helper()
	r, err := storm.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	t.Log(b.String())
	return r
}

func checkRestarts(t *testing.T, r *report.Report, want int) {
	t.Helper()
	if len(r.Restarts) != want || len(r.Failed()) != 0 {
		t.Fatalf("%d restarts of which %d failed, want %d and 0: %+v", len(r.Restarts), len(r.Failed()), want, r.Restarts)
	}
	seen := map[int]bool{}
	for _, x := range r.Restarts {
		if seen[x.NewPID] || x.NewPID == x.OldPID {
			t.Errorf("restart %d: process %d is not new", x.Number, x.NewPID)
		}
		seen[x.NewPID] = true
		if x.FirstAnswer <= 0 || x.Gone <= 0 {
			t.Errorf("restart %d: first answer after %v ms, old one gone after %v ms, want both", x.Number, x.FirstAnswer, x.Gone)
		}
	}
	for pid := range seen {
		if err := syscall.Kill(pid, 0); err == nil {
			t.Errorf("process %d was left behind", pid)
		}
	}
}
