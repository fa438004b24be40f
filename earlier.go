package restart

import (
	"fmt"
	"slices"
	"time"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/wire"
)

// An Earlier is an earlier generation whose process has not ended.
type Earlier struct {
	Generation int `json:"generation"`
	PID        int `json:"pid"`

	// Version is its Options.Version, Since the moment when it began to serve.
	// Both are zero if its version of this library does not tell.
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`

	// Connections is how many it has open, as it has told within the last
	// seconds; -1 if it has not told.
	Connections int `json:"connections"`
}

// drains notes what an earlier generation tells of its drain, if there is one of
// that number: what is noted must not grow without end.
func (r *Restarter) drains(generation, connections int) {
	if r.pred == nil || !slices.ContainsFunc(r.pred.Lifelines, func(l handshake.Lifeline) bool { return l.Generation == generation }) {
		return
	}
	r.earlierMu.Lock()
	defer r.earlierMu.Unlock()
	if r.earlierConns == nil {
		r.earlierConns = make(map[int]int)
	}
	r.earlierConns[generation] = connections
}

// earlier returns the earlier generations that live, oldest first.
func (r *Restarter) earlier() []Earlier {
	var all []Earlier
	r.earlierMu.Lock()
	defer r.earlierMu.Unlock()
	for _, line := range r.living() {
		e := Earlier{Generation: line.Generation, PID: line.PID, Version: line.Version, Since: line.Since, Connections: -1}
		if n, ok := r.earlierConns[line.Generation]; ok {
			e.Connections = n
		}
		all = append(all, e)
	}
	return all
}

// predecessorsProgress returns what is known of the predecessor before it tells.
// A version of this library that says since when a process serves also listens
// to "hammer".
func (l *loop) predecessorsProgress() (p wire.Progress) {
	for _, line := range l.r.pred.Lifelines {
		if line.PID == l.r.pred.PID && !line.Since.IsZero() {
			p = wire.Progress{Generation: line.Generation, Connections: -1}
		}
	}
	return p
}

// HammerEarlier ends the drain of an earlier generation by force, as Hammer ends
// that of this process. It waits until that generation has been told, not until
// it has ended. The error says that no such generation drains, or that it
// cannot be told because its version of this library does not listen; a SIGUSR2
// to its process does the same.
func (r *Restarter) HammerEarlier(generation int) error {
	reply := make(chan error, 1)
	if !r.ran.Load() || !r.mail.post(hammerEarlierAsked{generation, reply}) {
		return fmt.Errorf("restart: hammer generation %d: %w", generation, ErrNotServing)
	}
	return <-reply
}

// hammerEarlier finds the channel on which the generation sends, and asks it to
// end.
func (l *loop) hammerEarlier(generation int, reply chan<- error) {
	for _, r := range l.receivers {
		if r.Generation() == generation {
			l.goroutines.Go(func() {
				if err := r.Hammer(); err != nil {
					reply <- fmt.Errorf("restart: hammer generation %d: %w", generation, err)
					return
				}
				reply <- nil
			})
			return
		}
	}
	var line handshake.Lifeline
	for _, living := range l.r.living() {
		if living.Generation == generation {
			line = living
		}
	}
	switch {
	case l.state == StateDraining && l.successor != nil:
		reply <- fmt.Errorf("restart: hammer generation %d: this process is replaced: ask its successor, process %d", generation, l.successor.PID)
	case line.PID == 0:
		reply <- fmt.Errorf("restart: hammer generation %d: no such generation drains", generation)
	default:
		reply <- fmt.Errorf("restart: hammer generation %d: it does not listen: send SIGUSR2 to its process, %d", generation, line.PID)
	}
}
