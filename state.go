package restart

import (
	"fmt"
	"slices"
)

// A State says where a process stands in its life.
type State int

// The states, in the order in which a process that is replaced at the first
// attempt passes through them.
const (
	StateNew        State = iota // Run has not been called
	StateStarting                // services start; a predecessor may still serve
	StateServing                 // accepting
	StateRestarting              // accepting, while a successor starts
	StateDraining                // replaced or stopping: finishing what was begun
	StateStopped                 // Run has returned or is about to
)

var stateNames = [...]string{"new", "starting", "serving", "restarting", "draining", "stopped"}

func (s State) String() string {
	if s >= 0 && int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("State(%d)", int(s))
}

// moves is every legal step. A successor that is told to give up, and a
// process that cannot start, go from starting straight to draining: there is
// nothing to drain then, but services are closed in the same way.
var moves = map[State][]State{
	StateNew:        {StateStarting},
	StateStarting:   {StateServing, StateDraining},
	StateServing:    {StateRestarting, StateDraining},
	StateRestarting: {StateServing, StateDraining},
	StateDraining:   {StateStopped},
	StateStopped:    {},
}

// move makes the step from s to next. An illegal one is a bug in this package
// and must not go on unseen.
func (s State) move(next State) State {
	if !slices.Contains(moves[s], next) {
		panic(fmt.Sprintf("restart: illegal move from %v to %v", s, next))
	}
	return next
}
