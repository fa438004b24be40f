package restart

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The JSON of a Status is read by people and scripts: words, no numbers.
func TestStatusJSON(t *testing.T) {
	s := Status{
		State: StateServing, Generation: 3, PID: 7, Ready: true,
		Listeners: []ListenerStatus{{Name: "web", Network: "tcp", Address: "127.0.0.1:80", Inherited: true, Connections: 2}},
		Version:   "v1.2.3", Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Draining: []Earlier{{Generation: 2, PID: 5, Version: "v1.2.2", Connections: 6}}, Adopted: 4,
		LastError: &RestartError{Phase: PhaseHooks, Err: errors.New("no")},
	}
	b, err := json.MarshalIndent(s, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "state": "serving",
 "generation": 3,
 "pid": 7,
 "ready": true,
 "listeners": [
  {
   "name": "web",
   "network": "tcp",
   "address": "127.0.0.1:80",
   "inherited": true,
   "connections": 2
  }
 ],
 "version": "v1.2.3",
 "since": "2026-01-02T03:04:05Z",
 "draining": [
  {
   "generation": 2,
   "pid": 5,
   "version": "v1.2.2",
   "connections": 6
  }
 ],
 "adopted": 4,
 "handed_over": 0,
 "announced": 0,
 "cut": 0,
 "last_error": "restart: vetoed by a Before hook: no"
}`
	if d := cmp.Diff(want, string(b)); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	var back Status
	if err := json.Unmarshal(b, &back); err != nil {
		t.Fatal(err)
	}
	s.LastError = nil // text only
	if d := cmp.Diff(s, back); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	if err := json.Unmarshal([]byte(`{"state":"asleep"}`), &back); err == nil {
		t.Error("an unknown state: got no error")
	}
}
