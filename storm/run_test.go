package storm_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/storm"
	"example.com/restart/storm/load"
)

var allClasses = []string{"busy", "think", "idle", "fresh", "slow", "download", "pipeline", "tls", "h2", "ws"}

// Without a restart no class may lose anything: such a loss would be storm's own fault.
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
	c.Restarts, c.Stay = 5, []string{"tls"}
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
	if r.Ended != c.Load.TLS || !strings.Contains(r.Verdict(), "ENDED") {
		t.Errorf("%d connections ended that had to stay, want the %d of tls: %s", r.Ended, c.Load.TLS, r.Verdict())
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

// Where the load opens no connections, storm asks who answers.
func TestNewProcessIsFoundWithoutFreshConnections(t *testing.T) {
	c := gentle(build(t, "baseline"), "-addr", "{addr}")
	c.Load = load.Sizes{Think: 5, ThinkMin: 5 * time.Millisecond, ThinkMax: 50 * time.Millisecond}
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

// A server that does not restart must not look like one that loses nothing.
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

// Connections that must stay, but never are, must not look like ones that have stayed.
func TestStayOfClassThatCannotRun(t *testing.T) {
	c := gentle(build(t, "bare"), "-addr", "{addr}")
	c.Stay = []string{"busy", "tls"}
	if _, err := storm.Run(t.Context(), c); err == nil || !strings.Contains(err.Error(), "tls must stay") {
		t.Errorf("got %v, want an error that names tls", err)
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
