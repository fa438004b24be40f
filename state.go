package restart

import (
	"fmt"
	"slices"
)

// A State says where a process stands in its life.
type State int

// The states, in the order in which a process that is replaced at the first
// attempt passes through them; StateLameDuck is for one that stops.
const (
	StateNew        State = iota // Run has not been called
	StateStarting                // services start; a predecessor may still serve
	StateServing                 // accepting
	StateRestarting              // accepting, while a successor starts
	StateProbation               // replaced, may yet serve again, see Options.Probation
	StateLameDuck                // accepting, about to stop, see Options.LameDuck
	StateDraining                // replaced or stopping: finishing what was begun
	StateStopped                 // Run has returned or is about to
)

var stateNames = [...]string{"new", "starting", "serving", "restarting", "probation", "lameduck", "draining", "stopped"}

func (s State) String() string {
	if s >= 0 && int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// MarshalText returns the state's name, for JSON and logs.
func (s State) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText accepts what MarshalText returns.
func (s *State) UnmarshalText(text []byte) error {
	i := slices.Index(stateNames[:], string(text))
	if i < 0 {
		return fmt.Errorf("restart: unknown state %q", text)
	}
	*s = State(i)
	return nil
}
