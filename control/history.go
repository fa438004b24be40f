package control

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"example.com/restart"
)

// maxAttempts is how many restarts a history remembers.
const maxAttempts = 20

// A history remembers the last restarts, of this generation and earlier ones. It
// is safe for concurrent use.
type history struct {
	mu       sync.Mutex
	attempts []Attempt // oldest first
	drained  *restart.Event

	replaced chan struct{} // closed by EventReplaced, new after EventUndone
	undone   chan struct{} // closed by EventUndone, then new
	over     chan struct{} // closed by EventDrained
}

func newHistory() *history {
	return &history{replaced: make(chan struct{}), undone: make(chan struct{}), over: make(chan struct{})}
}

// whenReplaced returns a channel that is closed when a successor serves.
func (h *history) whenReplaced() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.replaced
}

// whenUndone returns a channel that is closed when the next restart is undone.
func (h *history) whenUndone() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.undone
}

// observe is the observer of the Restarter's events.
func (h *history) observe(e restart.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch e.Kind {
	case restart.EventServing:
		h.servingLocked(e)
	case restart.EventRestarting:
		h.runningLocked(e)
	case restart.EventPhase:
		a := h.runningLocked(e)
		a.Phases = append(a.Phases, PhaseTime{e.Phase.String(), Seconds(e.Elapsed)})
	case restart.EventFailed:
		a := h.runningLocked(e)
		a.Result, a.Elapsed, a.Error = ResultFailed, Seconds(e.Elapsed), e.Err.Error()
	case restart.EventReplaced:
		a := h.runningLocked(e)
		a.Result, a.Elapsed, a.Successor = ResultReplaced, Seconds(e.Elapsed), e.Successor
		close(h.replaced)
	case restart.EventUndone:
		if n := len(h.attempts); n > 0 {
			a := &h.attempts[n-1]
			a.Result, a.Successor, a.Error = ResultUndone, 0, e.Err.Error()
		}
		h.replaced = make(chan struct{})
		close(h.undone)
		h.undone = make(chan struct{})
	case restart.EventDrained:
		h.drained = &e
		close(h.over)
	case restart.EventStopping, restart.EventEarlierDrained, restart.EventSuccessorDied:
	}
}

// servingLocked ends the restart that has made this process: it was under way when
// the predecessor gave its state.
func (h *history) servingLocked(e restart.Event) {
	for i := range h.attempts {
		a := &h.attempts[i]
		if a.Result == ResultRunning && a.Generation == e.Generation-1 {
			a.Result, a.Successor, a.Elapsed = ResultReplaced, os.Getpid(), Seconds(e.Time.Sub(a.Began))
		}
	}
}

// runningLocked returns the restart of this process that is under way. One that
// was refused or vetoed has not begun before.
func (h *history) runningLocked(e restart.Event) *Attempt {
	n := len(h.attempts)
	if n == 0 || h.attempts[n-1].Result != ResultRunning || h.attempts[n-1].Generation != e.Generation {
		h.addLocked(Attempt{Began: e.Time.Round(0), Generation: e.Generation, PID: os.Getpid(), Result: ResultRunning})
		n = len(h.attempts)
	}
	return &h.attempts[n-1]
}

// begin notes a restart of this process, if EventRestarting has not come yet: the
// successor is to learn of it.
func (h *history) begin(generation int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.runningLocked(restart.Event{Time: time.Now(), Generation: generation})
}

func (h *history) addLocked(a Attempt) {
	h.attempts = append(h.attempts, a)
	slices.SortStableFunc(h.attempts, func(a, b Attempt) int { return a.Began.Compare(b.Began) })
	if n := len(h.attempts); n > maxAttempts {
		h.attempts = slices.Delete(h.attempts, 0, n-maxAttempts)
	}
}

// list returns the restarts, oldest first.
func (h *history) list() []Attempt {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := slices.Clone(h.attempts)
	for i := range list {
		list[i].Phases = slices.Clone(list[i].Phases)
	}
	return list
}

// lastReplaced returns the restart that has replaced this process.
func (h *history) lastReplaced() (Attempt, bool) {
	list := h.list()
	if n := len(list); n > 0 && list[n-1].Result == ResultReplaced && list[n-1].PID == os.Getpid() {
		return list[n-1], true
	}
	return Attempt{}, false
}

// encode returns the restarts of a generation, or of all if that is negative.
func (h *history) encode(generation int) ([]byte, error) {
	list := h.list()
	if generation >= 0 {
		list = slices.DeleteFunc(list, func(a Attempt) bool { return a.Generation != generation })
	}
	return json.Marshal(list)
}

// merge adds what another generation remembers. What that says of its own
// restarts replaces what is known of them here.
func (h *history) merge(encoded []byte) error {
	var list []Attempt
	if err := json.Unmarshal(encoded, &list); err != nil {
		return fmt.Errorf("decode the history of restarts: %w", err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, a := range list {
		same := func(b Attempt) bool { return b.Generation == a.Generation && b.Began.Equal(a.Began) }
		if i := slices.IndexFunc(h.attempts, same); i >= 0 {
			h.attempts[i] = a
		} else {
			h.addLocked(a)
		}
	}
	return nil
}

// noteDrain waits until the connections of all other listeners are gone, or the
// end of ctx, and notes how the drain went.
func (h *history) noteDrain(ctx context.Context, p process) {
	select {
	case <-h.whenReplaced():
	case <-ctx.Done():
		return
	}
	began := time.Now()
	ticks := time.NewTicker(pollEvery)
	defer ticks.Stop()
	for connections(p.Status()) > 0 && ctx.Err() == nil {
		select {
		case <-ticks.C:
		case <-ctx.Done():
		}
	}
	s := p.Status()
	h.mu.Lock()
	defer h.mu.Unlock()
	a := &h.attempts[len(h.attempts)-1]
	a.Drain = &Drain{
		Elapsed: Seconds(time.Since(began)), HandedOver: s.HandedOver, Announced: s.Announced,
		Forced: ctx.Err() != nil,
	}
}
