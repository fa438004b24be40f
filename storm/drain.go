package storm

import (
	"context"
	"time"

	"example.com/restart/storm/internal/proc"
)

// waitDrained waits, under load, until no more processes run than before the first restart.
func (r *run) waitDrained(ctx context.Context) error {
	limit := time.Now().Add(r.cfg.DrainLimit)
	for {
		living := r.server.living()
		if len(living) <= r.usual {
			return nil
		}
		if time.Now().After(limit) {
			r.report.Undrained = undrained(living, r.usual, r.master())
			r.note("%d old processes still ran %v after the last restart; this report lacks the requests that they lose at their end",
				len(living)-r.usual, r.cfg.DrainLimit)
			return nil
		}
		if err := sleep(ctx, livingPause); err != nil {
			return err
		}
	}
}

// undrained returns the processes beyond the usual number: the oldest ones, but not the master. The living are in the order
// in which they began to serve.
func undrained(living []proc.ID, usual, master int) (old []int) {
	for _, id := range living {
		if len(old) < len(living)-usual && id.PID != master {
			old = append(old, id.PID)
		}
	}
	return old
}
