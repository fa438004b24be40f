package report

import "testing"

// With a URL alone nobody knows whether a process came or ended.
func TestRestartLinesWithoutProcesses(t *testing.T) {
	r := &Report{Restarts: []Restart{{Number: 1, At: 1}, {Number: 2, At: 2.25, Failed: "exit status 1"}}}
	if got, want := r.restartLines(), "restart 2 at 2.2 s failed: exit status 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
