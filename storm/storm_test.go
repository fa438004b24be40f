package storm_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/storm"
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
	c.Warmup, c.Cooldown, c.Every = 500*time.Millisecond, 500*time.Millisecond, time.Second
	c.Load = storm.Load{
		Busy: 4, Think: 30, Idle: 40, Fresh: 50, Slow: 4, Download: 2, Pipeline: 10, TLS: 10, HTTP2: 4, WS: 4,
		BusyPause: 2 * time.Millisecond, ThinkMin: 5 * time.Millisecond, ThinkMax: 50 * time.Millisecond,
		IdleFor: 200 * time.Millisecond, SlowFor: 500 * time.Millisecond, DownloadSize: 1 << 20, DownloadRate: 2 << 20,
	}
	return c
}

func run(t *testing.T, c storm.Config) *storm.Report {
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

var allClasses = []string{"busy", "think", "idle", "fresh", "slow", "download", "pipeline", "tls", "h2", "ws"}

// Without a restart nothing may be lost, in any class: what storm then finds lost would be its own fault.
func TestNothingLostWithoutRestart(t *testing.T) {
	c := gentle(build(t, "baseline"), "-addr", "{addr}", "-tls-addr", "{tls}")
	c.Restarts, c.Warmup = 0, 2*time.Second
	for range 2 {
		r := run(t, c)
		ran := map[string]bool{}
		for _, class := range r.Classes {
			if class.Skipped != "" {
				t.Errorf("%s was skipped: %s", class.Name, class.Skipped)
			}
			if got := class.Lost(); got != 0 {
				t.Errorf("%s lost %d, want 0: %v", class.Name, got, class.Losses)
			}
			if class.Survived != class.Kept {
				t.Errorf("%s: %d connections survived, want all %d", class.Name, class.Survived, class.Kept)
			}
			ran[class.Name] = class.Answered > 0
		}
		for _, name := range allClasses {
			if !ran[name] {
				t.Errorf("%s had no answer", name)
			}
		}
	}
}

// A tool that finds no losses on a server that loses requests is broken.
func TestFindsLossesOfBaseline(t *testing.T) {
	c := gentle(build(t, "baseline"), "-addr", "{addr}", "-tls-addr", "{tls}")
	c.Restarts = 5
	c.LogFile = filepath.Join(t.TempDir(), "log")
	t.Cleanup(func() {
		if b, err := os.ReadFile(c.LogFile); t.Failed() && err == nil {
			t.Logf("the server said: %s", b)
		}
	})
	var progress bytes.Buffer
	c.Progress = &progress
	before := 0
	c.BeforeRestart = func(n int) error { before++; return nil }
	r := run(t, c)
	if r.Lost == 0 {
		t.Error("no loss found on the baseline")
	}
	if r.Survived != 0 {
		t.Errorf("%d connections survived five Shutdowns, want 0", r.Survived)
	}
	if before != c.Restarts {
		t.Errorf("BeforeRestart was called %d times, want %d", before, c.Restarts)
	}
	checkRestarts(t, r, c.Restarts)
	if !strings.Contains(progress.String(), "restarts ") {
		t.Errorf("progress %q does not tell of restarts", progress.String())
	}
	for _, ext := range []string{".svg", ".png"} {
		path := filepath.Join(t.TempDir(), "picture"+ext)
		if err := r.Plot(path); err != nil {
			t.Error(err)
		}
		if st, err := os.Stat(path); err != nil || st.Size() < 5000 {
			t.Errorf("the picture %s is missing or empty: %v", ext, err)
		}
	}
}

func checkRestarts(t *testing.T, r *storm.Report, want int) {
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

// What a copy of the server costs is kept apart, and loses nothing.
func TestControl(t *testing.T) {
	c := gentle(build(t, "baseline"), "-addr", "{addr}", "-tls-addr", "{tls}")
	c.Control, c.Restarts, c.Every = true, 2, 2*time.Second
	r := run(t, c)
	checkRestarts(t, r, c.Restarts)
	for _, class := range r.Classes {
		if class.Name == "busy" && (class.Steady.Count == 0 || class.Restarting.Count == 0 || class.Control.Count == 0) {
			t.Errorf("latencies of %d steady, %d restarting, %d control; want some of each",
				class.Steady.Count, class.Restarting.Count, class.Control.Count)
		}
	}
	var steady, restarting, control int64
	for _, class := range r.Classes {
		if class.Name != "probe" {
			steady, restarting, control = steady+class.Steady.Count, restarting+class.Restarting.Count, control+class.Control.Count
		}
	}
	if r.Steady.Count != steady || r.Restarting.Count != restarting || r.Control.Count != control {
		t.Errorf("together latencies of %d steady, %d restarting, %d control; want the sums of the classes, %d, %d and %d",
			r.Steady.Count, r.Restarting.Count, r.Control.Count, steady, restarting, control)
	}
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil || !strings.Contains(b.String(), "control p50") {
		t.Errorf("got %v and a table without the control:\n%s", err, b.String())
	}
}

// Where the load opens no connections, storm has to ask who answers.
func TestNewProcessIsFoundWithoutFreshConnections(t *testing.T) {
	c := gentle(build(t, "baseline"), "-addr", "{addr}")
	c.Load = storm.Load{Think: 5, ThinkMin: 5 * time.Millisecond, ThinkMax: 50 * time.Millisecond}
	c.Restarts = 2
	r := run(t, c)
	checkRestarts(t, r, c.Restarts)
	for _, class := range r.Classes {
		if class.Name == "probe" && class.Answered > 0 {
			return
		}
	}
	t.Error("nobody asked")
}

// A server that cannot be restarted is told from one that loses nothing.
func TestRestartThatBringsNobody(t *testing.T) {
	c := gentle(build(t, "bare"), "-addr", "{addr}")
	c.Restarts, c.RestartCommand, c.RestartLimit = 1, "true", 500*time.Millisecond
	r := run(t, c)
	if got := len(r.Failed()); got != 1 {
		t.Errorf("%d failed restarts, want 1", got)
	}
	if r.Lost != 0 {
		t.Errorf("%d lost, want 0", r.Lost)
	}
	for _, class := range r.Classes {
		if want := class.Name == "tls" || class.Name == "h2"; (class.Skipped != "") != want {
			t.Errorf("%s: skipped %q, want %v", class.Name, class.Skipped, want)
		}
	}
}

// A server that dies is a loss, not an error of the tool.
func TestServerThatDies(t *testing.T) {
	c := gentle(build(t, "bare"), "-addr", "{addr}")
	c.Restarts, c.Signal, c.RestartLimit = 1, syscall.SIGKILL, time.Second
	r := run(t, c)
	var refused int64
	for _, class := range r.Classes {
		refused += class.Refused
	}
	if refused == 0 || len(r.Failed()) != 1 {
		t.Errorf("%d refused and %d failed restarts, want some and 1", refused, len(r.Failed()))
	}
}

func TestCannotRun(t *testing.T) {
	for name, c := range map[string]storm.Config{
		"nothing":       {},
		"no such file":  gentle("/nonexistent/server"),
		"ends at once":  gentle("/bin/false"),
		"both":          func() storm.Config { c := gentle("x"); c.PID = 1; return c }(),
		"no address":    func() storm.Config { c := gentle(); c.PID = 1; return c }(),
		"control":       func() storm.Config { c := gentle("x"); c.Control = true; return c }(),
		"negative load": func() storm.Config { c := gentle("x"); c.Load.Busy = -1; return c }(),
	} {
		r, err := storm.Run(t.Context(), c)
		if err == nil || r != nil {
			t.Errorf("%s: got %v, %v, want an error", name, r, err)
			continue
		}
		if !strings.HasPrefix(err.Error(), "storm: ") {
			t.Errorf("%s: error %q has no prefix", name, err)
		}
	}
}
