package storm

import (
	"context"
	"fmt"
	"time"

	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/report"
)

const (
	// settle is how long a restart counts as under way after the first answer of the new process, or after the end of the
	// restart command of a URL, if the old process does not end sooner.
	settle = time.Second
	// glance is the pause between two looks at the PIDs that answers have named.
	glance = 5 * time.Millisecond
	// probePause is the pause between two requests that ask who answers, where the answers of the load say so too. Each is
	// extra load. Where the load's answers do not say so, the pause is glance.
	probePause = 100 * time.Millisecond
	// livingPause is the pause between two looks whether a process still runs.
	livingPause = 50 * time.Millisecond
	// nobodyLimit is how long there may be no process at all: an old one may end before storm has found its successor.
	nobodyLimit = 2 * time.Second
)

// restarts does all restarts, and then waits until the old processes have ended.
func (r *run) restarts(ctx context.Context) error {
	if err := sleep(ctx, r.cfg.Warmup); err != nil {
		return err
	}
	r.usual = len(r.server.living())
	restart := r.restart
	if r.server.url != nil {
		restart = r.restartURL
	}
	for n := 1; n <= r.cfg.Restarts; n++ {
		if r.cfg.BeforeRestart != nil {
			if err := r.cfg.BeforeRestart(n); err != nil {
				return fmt.Errorf("storm: before restart %d: %w", n, err)
			}
		}
		began := time.Now()
		if err := restart(ctx, n); err != nil {
			return err
		}
		if r.cfg.Control {
			if err := sleep(ctx, r.cfg.Every/2-time.Since(began)); err != nil {
				return err
			}
			if err := r.control(ctx); err != nil {
				return err
			}
		}
		if n == r.cfg.Restarts {
			break
		}
		if err := sleep(ctx, r.cfg.Every-time.Since(began)); err != nil {
			return err
		}
	}
	if err := sleep(ctx, r.cfg.Cooldown); err != nil {
		return err
	}
	if r.cfg.Restarts == 0 {
		return nil
	}
	return r.waitDrained(ctx)
}

// restart triggers a restart and waits for the first answer of a process that storm has never seen before.
func (r *run) restart(ctx context.Context, n int) error {
	pid, old, err := r.toRestart(ctx)
	if err != nil {
		return err
	}
	x := report.Restart{Number: n, OldPID: old.PID}
	known := map[int]bool{}
	for _, id := range r.server.living() {
		known[id.PID] = true
	}
	trigger := time.Now()
	x.At = r.since(trigger)
	r.phase.Begin(tally.Restarting, trigger)
	if err := r.trigger(ctx, pid); err != nil {
		r.phase.End(time.Now())
		return err
	}
	limit, lastSeen := trigger.Add(r.cfg.RestartLimit), trigger
	living, probe := newTurn(livingPause), r.probeTurn()
	for x.FirstAnswer == 0 {
		if living.due() && len(r.server.living()) > 0 {
			lastSeen = time.Now()
		}
		switch {
		case ctx.Err() != nil:
			x.Failed = "interrupted"
		case time.Now().After(limit):
			x.Failed = fmt.Sprintf("no new process answered within %v", r.cfg.RestartLimit)
		case time.Since(lastSeen) > nobodyLimit:
			x.Failed = "the server ended, and no new process came"
		}
		if x.Failed != "" {
			break
		}
		_ = sleep(ctx, glance)
		if probe.due() {
			r.probe(ctx)
		}
		if pid, at := r.answers.newcomer(trigger, known); pid != 0 {
			x.NewPID, x.FirstAnswer = pid, milliseconds(at.Sub(trigger))
		}
	}
	r.timeline.restarted(x, old, trigger)
	if x.Failed != "" {
		r.phase.End(time.Now())
		return ctx.Err()
	}
	for end := time.Now().Add(settle); time.Now().Before(end) && len(r.server.living()) > r.usual; {
		if err := sleep(ctx, livingPause); err != nil {
			break
		}
	}
	r.phase.End(time.Now())
	r.lasted = time.Since(trigger)
	return nil
}

// A turn says when it is time for a look that costs more than a glance.
type turn struct {
	pause time.Duration
	next  time.Time
}

func newTurn(pause time.Duration) turn { return turn{pause, time.Now().Add(pause)} }

func (t *turn) due() bool {
	now := time.Now()
	if now.Before(t.next) {
		return false
	}
	t.next = now.Add(t.pause)
	return true
}

// probeTurn says when to ask who answers.
func (r *run) probeTurn() turn {
	if r.answers.identified() {
		return newTurn(probePause)
	}
	return newTurn(0)
}
