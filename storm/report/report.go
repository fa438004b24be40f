// Package report holds the result of a run of storm, and writes it as a table, as JSON and as a picture.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Report says what the clients of one run saw. It encodes as JSON, with the unit of each number in its name.
type Report struct {
	Server  string    `json:"server"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// LoadSeconds is when the load stopped. The run then waited for the requests in flight.
	LoadSeconds float64 `json:"load_seconds"`

	Requests int64 `json:"requests"`
	Lost     int64 `json:"lost"` // requests that were not answered
	// Kept counts the connections that were meant to live from first to last, Survived those that did.
	Kept     int `json:"kept_connections"`
	Survived int `json:"survived_connections"`
	// Ended counts the connections that ended although the server was to keep them, see Class.Stay.
	Ended int `json:"ended_connections,omitempty"`

	// Latencies of all classes together. A large class counts for more than a small one.
	Steady     Latency `json:"steady"`           // of requests that no restart touched
	Restarting Latency `json:"restarting"`       // of requests that a restart touched
	Control    Latency `json:"control,omitzero"` // of requests while a copy of the server started and stopped

	Classes  []Class   `json:"classes"`
	Restarts []Restart `json:"restarts"`
	// Undrained are the PIDs of old processes that still ran when the run ended. Nobody counted the requests that they lose
	// at their end.
	Undrained []int    `json:"undrained_pids,omitempty"`
	Timeline  []Moment `json:"timeline"`
	// Notes are facts that a reader of the numbers should know.
	Notes []string `json:"notes,omitempty"`
}

// Class is one class of load.
type Class struct {
	Name    string `json:"name"`
	Skipped string `json:"skipped,omitempty"` // why it did not run

	// Each request is counted in exactly one of these.
	Answered  int64 `json:"answered"`
	Refused   int64 `json:"refused"`
	Reset     int64 `json:"reset"`
	Truncated int64 `json:"truncated"`
	Wrong     int64 `json:"wrong"`
	TimedOut  int64 `json:"timed_out"`

	// None of these is a loss.
	ClosedIdle int64 `json:"closed_idle"`      // connections that the server closed while no request was in flight
	Announced  int64 `json:"announced_closes"` // connections whose end the server announced
	Resent     int64 `json:"resent"`           // requests sent again because the server had declared them not processed

	Kept     int  `json:"kept_connections"`
	Survived int  `json:"survived_connections"`
	Stay     bool `json:"must_stay,omitempty"` // none of the connections may end

	Steady     Latency `json:"steady"`
	Restarting Latency `json:"restarting"`
	Control    Latency `json:"control,omitzero"`

	Losses []Loss `json:"losses,omitempty"` // the first few
}

// Lost counts the requests that were not answered.
func (c Class) Lost() int64 {
	return c.Refused + c.Reset + c.Truncated + c.Wrong + c.TimedOut
}

// Latency is the distribution of the latencies of answered requests, in milliseconds.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// Loss is one request that was lost.
type Loss struct {
	At      float64 `json:"at_seconds"`
	Outcome string  `json:"outcome"`
	Why     string  `json:"why"`
}

// Restart is one restart. The PIDs and times are 0 where storm saw no processes, only a URL.
type Restart struct {
	Number      int     `json:"number"`
	At          float64 `json:"at_seconds"`
	OldPID      int     `json:"old_pid"`
	NewPID      int     `json:"new_pid"`
	FirstAnswer float64 `json:"first_answer_ms"` // from the trigger to the first answer of the new process
	Gone        float64 `json:"old_gone_ms"`     // from the trigger to the end of the old process; 0: it still ran
	Failed      string  `json:"failed,omitempty"`
}

// Moment is one step of the timeline, a tenth of a second in a run of less than twenty minutes.
type Moment struct {
	At        float64 `json:"at_seconds"`
	Answered  int64   `json:"answered"`
	Lost      int64   `json:"lost"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	Surviving int     `json:"surviving"` // connections that are open since the beginning
	PID       int     `json:"pid"`       // the newest process that serves
	OpenFiles int     `json:"open_files"`
	RSS       int64   `json:"rss_bytes"`
	Processes int     `json:"processes"` // processes that hold the listening socket, or held it and still run
}

// Failed returns the restarts that brought no new process.
func (r *Report) Failed() (failed []Restart) {
	for _, x := range r.Restarts {
		if x.Failed != "" {
			failed = append(failed, x)
		}
	}
	return failed
}

// Verdict returns the report in one line.
func (r *Report) Verdict() string {
	s := fmt.Sprintf("%d of %d requests lost", r.Lost, r.Requests)
	if r.Lost == 0 {
		s = fmt.Sprintf("no request lost of %d", r.Requests)
	}
	s += fmt.Sprintf("; %d of %d connections lived from first to last", r.Survived, r.Kept)
	if r.Ended > 0 {
		s += fmt.Sprintf("; %d ENDED that had to stay", r.Ended)
	}
	if n := len(r.Failed()); n > 0 {
		s += fmt.Sprintf("; %d restarts FAILED", n)
	}
	if n := len(r.Undrained); n > 0 {
		s += fmt.Sprintf("; %d old processes still run", n)
	}
	return s
}

// WriteJSON writes the whole report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("storm: write JSON: %w", err)
	}
	return nil
}
