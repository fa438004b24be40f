package storm

import (
	"context"
	"fmt"
	"time"

	"example.com/restart/storm/internal/proc"
	"example.com/restart/storm/internal/tally"
	"example.com/restart/storm/report"
)

// restartURL runs the restart command and waits for its end. Storm sees no process, so a restart has failed only if its
// command has.
func (r *run) restartURL(ctx context.Context, n int) error {
	trigger := time.Now()
	x := report.Restart{Number: n, At: r.since(trigger)}
	r.phase.Begin(tally.Restarting, trigger)
	defer func() { r.phase.End(time.Now()) }()
	if n == 1 {
		r.note("storm knew the server by its URL only: whether a restart brought a new process, and when the old one ended, is not known")
	}
	ended, err := r.startCommand(ctx, 0)
	if err != nil {
		return err
	}
	if err := <-ended; err != nil {
		x.Failed = fmt.Sprintf("restart command: %v", err)
	}
	r.timeline.restarted(x, proc.ID{}, trigger)
	return sleep(ctx, settle)
}
