//go:build linux

package control

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"example.com/restart"
)

// lines shows a history shortly.
func lines(h *history) string {
	var all []string
	for _, a := range h.list() {
		line := fmt.Sprintf("%d %s", a.Generation, a.Result)
		for _, p := range a.Phases {
			line += " " + p.Phase
		}
		if a.Error != "" {
			line += ": " + a.Error
		}
		all = append(all, line)
	}
	return strings.Join(all, "; ")
}

var morning = time.Date(2026, 11, 26, 8, 0, 0, 0, time.UTC)

// at makes an event of generation g.
func at(second, g int, e restart.Event) restart.Event {
	e.Time, e.Generation = morning.Add(time.Duration(second)*time.Second), g
	return e
}

// What a generation remembers reaches those after it, whichever way the processes
// end.
func TestHistoryOverGenerations(t *testing.T) {
	first := newHistory()
	first.observe(at(1, 1, restart.Event{Kind: restart.EventFailed, Err: errors.New("vetoed")}))
	first.observe(at(2, 1, restart.Event{Kind: restart.EventRestarting}))
	first.observe(at(2, 1, restart.Event{Kind: restart.EventPhase, Phase: restart.PhaseHooks}))
	state, err := first.encode(-1)
	if err != nil {
		t.Fatal(err)
	}
	second := newHistory()
	if err := second.merge(state); err != nil {
		t.Fatal(err)
	}
	if got, want := lines(second), "1 failed: vetoed; 1 running hooks"; got != want {
		t.Errorf("before it serves: got %s, want %s", got, want)
	}
	second.observe(at(3, 2, restart.Event{Kind: restart.EventServing}))
	second.observe(at(4, 2, restart.Event{Kind: restart.EventRestarting}))
	if got, want := lines(second), "1 failed: vetoed; 1 replaced hooks; 2 running"; got != want {
		t.Errorf("the predecessor is killed: got %s, want %s", got, want)
	}

	first.observe(at(3, 1, restart.Event{Kind: restart.EventPhase, Phase: restart.PhaseGo}))
	first.observe(at(3, 1, restart.Event{Kind: restart.EventReplaced, Successor: 42}))
	for range 2 { // twice does no harm
		last, err := first.encode(1)
		if err == nil {
			err = second.merge(last)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if got, want := lines(second), "1 failed: vetoed; 1 replaced hooks go; 2 running"; got != want {
		t.Errorf("the predecessor has drained: got %s, want %s", got, want)
	}
	if own, err := second.encode(2); err != nil || strings.Contains(string(own), "vetoed") {
		t.Errorf("the changes hold what others know: %s, %v", own, err)
	}
	if err := second.merge([]byte("{")); err == nil {
		t.Error("nonsense is merged")
	}
}

// The successor hears of its own restart, also if the event comes late.
func TestRestartThatBeginsWithState(t *testing.T) {
	s := newService(newFakeProcess())
	state, err := s.State()
	if err != nil {
		t.Fatal(err)
	}
	s.observe(restart.Event{Kind: restart.EventRestarting, Time: time.Now(), Generation: 3})
	successor := newService(newFakeProcess())
	if err := successor.Restore(state); err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]*history{"old": s.history, "new": successor.history} {
		if got := lines(h); got != "3 running" {
			t.Errorf("%s: got %q", name, got)
		}
	}
}

func TestHistoryIsBounded(t *testing.T) {
	h := newHistory()
	for i := range 2 * maxAttempts {
		h.observe(at(i, 1, restart.Event{Kind: restart.EventFailed, Err: fmt.Errorf("%d", i)}))
	}
	list := h.list()
	if len(list) != maxAttempts || list[0].Error != fmt.Sprint(maxAttempts) {
		t.Errorf("got %d, from %s on", len(list), list[0].Error)
	}
}

// A restart that was undone, and the one after it.
func TestHistoryOfAnUndoneRestart(t *testing.T) {
	h := newHistory()
	for second, e := range []restart.Event{
		{Kind: restart.EventRestarting},
		{Kind: restart.EventReplaced, Successor: 2},
		{Kind: restart.EventUndone, Err: errors.New("it died")},
		{Kind: restart.EventRestarting},
		{Kind: restart.EventReplaced, Successor: 3},
	} {
		h.observe(at(second, 1, e))
	}
	if got, want := lines(h), "1 undone: it died; 1 replaced"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	<-h.whenReplaced()
}
