package storm_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// The latencies while a copy of the server starts and stops are kept apart.
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
