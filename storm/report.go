package storm

import (
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Report is what the clients saw. In JSON, durations are in milliseconds.
type Report struct {
	Server  string    `json:"server"`
	Began   time.Time `json:"began"`
	Seconds float64   `json:"seconds"`
	// LoadSeconds is when the load was stopped; what was in flight then was waited for.
	LoadSeconds float64 `json:"load_seconds"`

	Requests int64 `json:"requests"`
	Lost     int64 `json:"lost"` // every request that is not Answered
	// Kept is how many connections were to live from first to last, Survived how many did.
	Kept     int `json:"kept_connections"`
	Survived int `json:"survived_connections"`

	// Latencies of all classes together. A large class counts for more than a small one.
	Steady     Latency `json:"steady"`
	Restarting Latency `json:"restarting"`
	Control    Latency `json:"control,omitzero"` // while another copy of the server was started and stopped

	Classes  []ClassReport   `json:"classes"`
	Restarts []RestartReport `json:"restarts"`
	// Undrained are the old processes that still ran when DrainLimit was over: what they would have lost is not known.
	Undrained []int    `json:"undrained_pids,omitempty"`
	Timeline  []Moment `json:"timeline"`
	// Notes are what a reader of the numbers should know.
	Notes []string `json:"notes,omitempty"`
}

// ClassReport is one class of load.
type ClassReport struct {
	Name    string `json:"name"`
	Skipped string `json:"skipped,omitempty"` // why it did not run

	// Each request is in exactly one of these.
	Answered  int64 `json:"answered"`
	Refused   int64 `json:"refused"`
	Reset     int64 `json:"reset"`
	Truncated int64 `json:"truncated"`
	Wrong     int64 `json:"wrong"`
	TimedOut  int64 `json:"timed_out"`

	// None of these is a loss.
	ClosedIdle int64 `json:"closed_idle"`      // connections closed by the server while no request was under way
	Announced  int64 `json:"announced_closes"` // connections whose end the server had announced
	Resent     int64 `json:"resent"`           // requests sent again because the server had declared them not taken

	Kept     int `json:"kept_connections"`
	Survived int `json:"survived_connections"`

	Steady     Latency `json:"steady"`
	Restarting Latency `json:"restarting"`
	Control    Latency `json:"control,omitzero"`

	Losses []LossReport `json:"losses,omitempty"` // the first few
}

// Lost counts the requests that were not answered.
func (c ClassReport) Lost() int64 {
	return c.Refused + c.Reset + c.Truncated + c.Wrong + c.TimedOut
}

// Latency is a distribution, of answered requests.
type Latency struct {
	Count int64   `json:"count"`
	P50   float64 `json:"p50_ms"`
	P99   float64 `json:"p99_ms"`
	P999  float64 `json:"p999_ms"`
	Max   float64 `json:"max_ms"`
}

// LossReport is one request that was lost.
type LossReport struct {
	At      float64 `json:"at_seconds"`
	Outcome string  `json:"outcome"`
	Why     string  `json:"why"`
}

// RestartReport is one restart.
type RestartReport struct {
	Number      int     `json:"number"`
	At          float64 `json:"at_seconds"`
	OldPID      int     `json:"old_pid"`
	NewPID      int     `json:"new_pid"`
	FirstAnswer float64 `json:"first_answer_ms"` // from the trigger until a new process answered
	Gone        float64 `json:"old_gone_ms"`     // from the trigger until the old process had ended, 0 if it had not
	Failed      string  `json:"failed,omitempty"`
}

// Moment is what was seen in one step of the timeline.
type Moment struct {
	At        float64 `json:"at_seconds"`
	Answered  int64   `json:"answered"`
	Lost      int64   `json:"lost"`
	P50       float64 `json:"p50_ms"`
	P99       float64 `json:"p99_ms"`
	Max       float64 `json:"max_ms"`
	Surviving int     `json:"surviving"`
	PID       int     `json:"pid"` // the newest process that serves
	OpenFiles int     `json:"open_files"`
	RSS       int64   `json:"rss_bytes"`
	Processes int     `json:"processes"` // that hold the listening socket, or held it and still run
}

// Failed returns the restarts that did not bring a new process.
func (r *Report) Failed() (failed []RestartReport) {
	for _, x := range r.Restarts {
		if x.Failed != "" {
			failed = append(failed, x)
		}
	}
	return failed
}

// WriteJSON writes the whole report.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(r); err != nil {
		return fmt.Errorf("storm: write the report: %w", err)
	}
	return nil
}
