package control

import (
	"encoding/json"
	"time"

	"example.com/restart"
)

// A Seconds is a [time.Duration] that is a number of seconds in JSON.
type Seconds time.Duration

func (s Seconds) String() string { return time.Duration(s).String() }

// MarshalJSON returns the number of seconds, with a fraction.
func (s Seconds) MarshalJSON() ([]byte, error) { return json.Marshal(time.Duration(s).Seconds()) }

// UnmarshalJSON accepts a number of seconds.
func (s *Seconds) UnmarshalJSON(b []byte) error {
	var n float64
	if err := json.Unmarshal(b, &n); err != nil {
		return err
	}
	*s = Seconds(n * float64(time.Second))
	return nil
}

// A Status says what a program is doing: the answer to GET /status.
type Status struct {
	State      restart.State `json:"state"`
	Generation int           `json:"generation"`
	PID        int           `json:"pid"`
	Version    string        `json:"version,omitempty"`
	Since      time.Time     `json:"since,omitzero"` // when it began to serve

	Listeners []restart.ListenerStatus `json:"listeners"`

	// Draining holds the earlier generations that have not ended.
	Draining []restart.Earlier `json:"draining"`

	// Successor is the PID of the process that has replaced this one, else 0.
	Successor int `json:"successor,omitempty"`

	// What became of connections, see [restart.Status].
	Adopted    int `json:"adopted"`
	HandedOver int `json:"handed_over"`
	Announced  int `json:"announced"`
	Cut        int `json:"cut"`

	// LastError is why the last restart failed, empty if it did not.
	LastError string `json:"last_error,omitempty"`

	// Restarts holds the last restarts, of all generations, oldest first.
	Restarts []Attempt `json:"restarts"`
}

// Connections adds up the open connections of all listeners.
func (s Status) Connections() int {
	n := 0
	for _, l := range s.Listeners {
		n += l.Connections
	}
	return n
}

// An Attempt is a restart that was tried.
type Attempt struct {
	Began      time.Time `json:"began"`
	Generation int       `json:"generation"` // the one that was to be replaced
	PID        int       `json:"pid"`        // of its process

	Result    Result  `json:"result"`
	Successor int     `json:"successor,omitempty"` // PID of the process that serves now
	Error     string  `json:"error,omitempty"`     // why it failed
	Elapsed   Seconds `json:"elapsed_seconds"`     // until the successor served, or the failure

	// Phases that have ended well, in order.
	Phases []PhaseTime `json:"phases,omitempty"`

	// Drain is that of the process that was replaced. It is nil until the drain has
	// ended, and if the process was killed.
	Drain *Drain `json:"drain,omitempty"`
}

// A Result says how a restart went.
type Result string

// The results.
const (
	ResultRunning  Result = "running"
	ResultFailed   Result = "failed" // the process serves on
	ResultReplaced Result = "replaced"
	ResultUndone   Result = "undone" // in its probation: the process serves again
)

// A PhaseTime says how long one phase of a restart took.
type PhaseTime struct {
	Phase   string  `json:"phase"` // as [restart.Phase] prints it
	Elapsed Seconds `json:"elapsed_seconds"`
}

// A Drain says how the drain of a process went.
type Drain struct {
	Elapsed    Seconds `json:"elapsed_seconds"`
	HandedOver int     `json:"handed_over"`
	Announced  int     `json:"announced"`
	Forced     bool    `json:"forced,omitempty"` // ended by HammerTime or Hammer
}

// A Progress reports how far a drain is. It is a line of the answer to a request that
// follows the drain.
type Progress struct {
	Event      ProgressEvent `json:"event"`
	Generation int           `json:"generation"`
	PID        int           `json:"pid"`

	// Successor is the PID of the process that serves now, 0 if the program
	// stops.
	Successor int `json:"successor,omitempty"`

	// Elapsed is how long the restart took in ProgressReplaced, and otherwise how long
	// the drain has lasted.
	Elapsed Seconds `json:"elapsed_seconds"`

	// Connections is how many are still open. HandedOver, Announced and Cut count what
	// became of the others, see [restart.Status]. Cut is known only at the end.
	Connections int `json:"connections"`
	HandedOver  int `json:"handed_over"`
	Announced   int `json:"announced"`
	Cut         int `json:"cut"`

	// Error says why the restart was undone, in ProgressUndone.
	Error string `json:"error,omitempty"`
}

// A ProgressEvent says what a Progress reports.
type ProgressEvent string

// The events. The answer to a restart begins with ProgressReplaced, that to a stop
// with ProgressStopping.
const (
	ProgressReplaced ProgressEvent = "replaced" // the successor serves, the drain begins
	ProgressStopping ProgressEvent = "stopping" // the drain begins
	ProgressDraining ProgressEvent = "draining" // the counts have changed
	ProgressDrained  ProgressEvent = "drained"  // the drain is over
	ProgressUndone   ProgressEvent = "undone"   // the restart was undone: the process serves again, and does not drain
)

// Replaced is the answer to a restart that went well.
type Replaced struct {
	Generation int     `json:"generation"` // of the process that was replaced
	PID        int     `json:"pid"`
	Successor  int     `json:"successor"` // PID of the process that serves now
	Elapsed    Seconds `json:"elapsed_seconds"`
}

// An Error is the answer to a request that was refused or failed.
type Error struct {
	Code Code   `json:"code"`
	Text string `json:"error"`

	// These describe a restart that failed, see [restart.RestartError].
	Phase  string `json:"phase,omitempty"`
	Cause  string `json:"cause,omitempty"`
	PID    int    `json:"pid,omitempty"`
	Exit   string `json:"exit,omitempty"`
	Stderr string `json:"stderr,omitempty"`

	// Successor is the PID of the process to ask instead, with CodeReplaced.
	Successor int `json:"successor,omitempty"`
}

func (e *Error) Error() string { return e.Text }

// A Code says what kind of Error it is.
type Code string

// The codes, each with the HTTP status of its answer.
const (
	CodeBadRequest  Code = "bad_request" // 400
	CodeForbidden   Code = "forbidden"   // 403: the peer belongs to another user
	CodeRefused     Code = "refused"     // 409: nothing was tried, or there is nothing to do
	CodeFailed      Code = "failed"      // 424: the restart failed, the process serves on
	CodeUnsupported Code = "unsupported" // 501: no process can be replaced on this platform
	CodeReplaced    Code = "replaced"    // 503: another process serves now: ask again
)

func newStatus(s restart.Status, attempts []Attempt) Status {
	status := Status{
		State: s.State, Generation: s.Generation, PID: s.PID, Version: s.Version, Since: s.Since,
		Listeners: s.Listeners, Draining: s.Draining, Successor: s.Successor,
		Adopted: s.Adopted, HandedOver: s.HandedOver, Announced: s.Announced, Cut: s.Cut,
		Restarts: attempts,
	}
	if s.LastError != nil {
		status.LastError = s.LastError.Error()
	}
	if status.Draining == nil {
		status.Draining = []restart.Earlier{} // in JSON an empty list, not null
	}
	if status.Restarts == nil {
		status.Restarts = []Attempt{}
	}
	return status
}
