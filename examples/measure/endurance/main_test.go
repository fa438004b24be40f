package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/restart/examples/measure/internal/reexec"
	"example.com/restart/storm/report"
)

// The test binary is the server too, as the program is.
func TestMain(m *testing.M) {
	reexec.Serve(serve)
	// A race detector waits a second at the end of each process.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

func TestRun(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("<!-- endurance: begin -->\n<!-- endurance: end -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), 2, 50*time.Millisecond, page, io.Discard); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| goroutines | ", "2 restarts in ", ", 0 lost; "} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the page lacks %q:\n%s", want, b)
		}
	}
}

func TestCompare(t *testing.T) {
	var samples []sample
	var restarts []report.Restart
	for i := range 3 * part {
		samples = append(samples, sample{Files: i, Goroutines: 7})
		restarts = append(restarts, report.Restart{FirstAnswer: float64(i)})
	}
	restarts = append(restarts, report.Restart{Failed: "why", FirstAnswer: 1e9})
	rows := compare(samples, restarts)
	for i, want := range map[int]string{
		1: "open files|49.5|250|99.0|299",
		2: "goroutines|7.00|7.00|7.00|7.00",
		5: "restart until the new process answers, ms|49.5|250|99.0|299",
	} {
		if got := strings.Join(rows[i], "|"); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
