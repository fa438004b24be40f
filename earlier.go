package restart

import (
	"errors"
	"fmt"
	"os"
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
	// Both are zero if an older version of this library runs there.
	Version string    `json:"version,omitempty"`
	Since   time.Time `json:"since,omitzero"`

	// Connections is the number of its open connections, as it last reported, a
	// few seconds ago at most; -1 if it has not reported.
	Connections int `json:"connections"`
}

// lifelines returns the lifelines that a successor inherits: those of the earlier
// generations that live, and that of this process, which serves since the given
// time.
func (r *Restarter) lifelines(since time.Time) []handshake.Lifeline {
	own := handshake.Lifeline{PID: os.Getpid(), Generation: r.generation, Version: r.options.Version, Since: since, File: r.lifeline}
	return append(r.living(), own)
}

// living returns the lifelines of the earlier generations that live.
func (r *Restarter) living() []handshake.Lifeline {
	if r.pred == nil {
		return nil
	}
	var living []handshake.Lifeline
	for _, line := range r.pred.Lifelines {
		if !line.Gone() {
			living = append(living, line)
		}
	}
	return living
}

// noteConnections notes how many connections an earlier generation says it has open.
// Numbers of generations that do not exist are ignored, so that the map cannot grow
// without bound.
func (r *Restarter) noteConnections(generation, connections int) {
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

// predecessorsProgress returns what is known of the predecessor before it reports
// for the first time. A predecessor that says since when it serves also
// understands "hammer"; older versions of this library do neither.
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
	if err := <-reply; err != nil {
		return fmt.Errorf("restart: hammer generation %d: %w", generation, err)
	}
	return nil
}

// hammerEarlier asks the generation to end its drain, on the channel on which it
// sends.
func (l *loop) hammerEarlier(generation int, reply chan<- error) {
	for _, r := range l.receivers {
		if r.Generation() == generation {
			l.goroutines.Go(func() { reply <- r.Hammer() })
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
		reply <- fmt.Errorf("this process is replaced: ask its successor, process %d", l.successor.PID)
	case line.PID == 0:
		reply <- errors.New("no such generation drains")
	default:
		reply <- fmt.Errorf("it does not listen: send SIGUSR2 to its process, %d", line.PID)
	}
}
