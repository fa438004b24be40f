package restart

import (
	"context"
	"fmt"
)

// Live returns nil if the part of this process that acts on signals and leads
// restarts answers before ctx ends. Otherwise the error says why not. A liveness
// check should call Live; a readiness check should use [Status.Ready]. A process
// that drains is live. Before Run is called the result is nil; after Run has
// returned it is ErrStopped.
func (r *Restarter) Live(ctx context.Context) error {
	if !r.ran.Load() {
		return nil
	}
	answered := make(chan struct{})
	select {
	case r.mail.in <- liveAsked{answered}:
	case <-r.mail.closed:
		return ErrStopped
	case <-r.over: // Run has failed at once
		return ErrStopped
	case <-ctx.Done():
		return fmt.Errorf("restart: no sign of life: %w", context.Cause(ctx))
	}
	<-answered // whoever takes a message acts on it and does not block
	return nil
}

// ready is [Status.Ready]. Where another process has replaced this one, or serves
// on in its place, the service is as available as before: a readiness check that
// reaches this process over an open connection must not conclude that it is gone.
func (l *loop) ready() bool {
	switch l.state {
	case StateStarting:
		return l.starting.stage == stageAccepting // accepting, and the predecessor will hear of it
	case StateServing, StateRestarting, StateProbation:
		return true
	case StateDraining, StateStopped:
		return l.successor != nil || l.starting.stage >= stageAccepting && l.predecessorServes()
	case StateNew, StateLameDuck:
	}
	return false
}
