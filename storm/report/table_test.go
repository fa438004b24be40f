package report

import (
	"bytes"
	"strings"
	"testing"
)

func TestWriteTable(t *testing.T) {
	var b bytes.Buffer
	if err := testReport().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"2 of 12 requests lost", "1 of 3 connections lived from first to last", "1 restarts FAILED",
		"50 ms after restart 1: reset: why", "skipped: ws (no WebSocket)", "restart 2 at 2.0 s failed: nobody came",
		"new process answers       20.00", "serving process: ",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table lacks %q:\n%s", want, b.String())
		}
	}
}

func TestRatioLine(t *testing.T) {
	r := new(Report)
	if got := r.ratioLine(); got != "" {
		t.Errorf("of nothing: got %q", got)
	}
	r.Steady, r.Restarting = Latency{Count: 1, P99: 2}, Latency{Count: 1, P99: 3}
	if got, want := r.ratioLine(), "p99 of all while restarting: 1.50 times steady\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	r.Control = Latency{Count: 1, P99: 2.5}
	if got, want := r.ratioLine(), "p99 of all while restarting: 1.50 times steady; in the control: 1.25 times\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
