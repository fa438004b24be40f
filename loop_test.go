package restart

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// legal is the table of transitions once more, written from the design and not from
// the code.
var legal = map[State][]State{
	StateNew:        {StateStarting},
	StateStarting:   {StateServing, StateDraining},
	StateServing:    {StateRestarting, StateLameDuck, StateDraining},
	StateRestarting: {StateServing, StateProbation, StateDraining},
	StateProbation:  {StateServing, StateDraining},
	StateLameDuck:   {StateDraining},
	StateDraining:   {StateStopped},
}

func TestStatesFollowTheTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := StateNew
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			next := State(rapid.IntRange(-1, int(StateStopped)+1).Draw(t, fmt.Sprint("next", i)))
			got, stepped := tryStep(s, next)
			if want := slices.Contains(legal[s], next); stepped != want {
				t.Fatalf("from %v to %v: got stepped=%v, want %v", s, next, stepped, want)
			}
			if stepped && got != next {
				t.Fatalf("from %v to %v: got %v", s, next, got)
			}
			s = got
		}
	})
}

// tryStep returns s and false where the move panics.
func tryStep(s, next State) (got State, stepped bool) {
	defer func() {
		if v := recover(); v != nil {
			if !strings.Contains(fmt.Sprint(v), "illegal step") {
				panic(v)
			}
			got, stepped = s, false
		}
	}()
	return s.step(next), true
}

func TestEveryStateLeadsToStopped(t *testing.T) {
	for s := StateNew; s <= StateStopped; s++ {
		seen := map[State]bool{s: true}
		queue := []State{s}
		for len(queue) > 0 {
			for _, next := range transitions[queue[0]] {
				if !seen[next] {
					seen[next] = true
					queue = append(queue, next)
				}
			}
			queue = queue[1:]
		}
		if !seen[StateStopped] {
			t.Errorf("%v never reaches %v", s, StateStopped)
		}
	}
}

func TestStateString(t *testing.T) {
	seen := make(map[string]bool)
	for s := StateNew; s <= StateStopped; s++ {
		if got := s.String(); got == "" || strings.Contains(got, "State(") || seen[got] {
			t.Errorf("State(%d): got %q, want a name of its own", int(s), got)
		} else {
			seen[got] = true
		}
	}
	for _, s := range []State{-1, StateStopped + 1} {
		if got, want := s.String(), fmt.Sprintf("State(%d)", int(s)); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
