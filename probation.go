package restart

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/restart/internal/handshake"
)

// A restart on probation can be undone. The old process is in StateProbation and
// the successor is on trial, until the old one lets go.

// A probation is what the old process knows of it. The channels of a nil probation
// are nil.
type probation struct {
	timer *time.Timer
	watch *handshake.Watch
}

func (p *probation) over() <-chan time.Time {
	if p == nil {
		return nil
	}
	return p.timer.C
}

func (p *probation) said() <-chan error {
	if p == nil {
		return nil
	}
	return p.watch.Said()
}

// beginProbation leaves new connections to the successor. Listeners that the
// successor has dropped go on accepting: nobody else has them.
func (l *loop) beginProbation() {
	l.to(StateProbation)
	for _, s := range l.passedOn() {
		s.ln.Pause()
	}
	l.manager.OnProbation(l.successor.PID)
	l.probation = &probation{timer: time.NewTimer(l.r.options.Probation), watch: l.successor.Watch()}
}

// passedOn returns the listeners that the successor has as well.
func (l *loop) passedOn() []*socket {
	return slices.DeleteFunc(slices.Clone(l.r.table.list()), func(s *socket) bool {
		return s.ln == nil || !slices.Contains(l.successor.Claimed, s.name)
	})
}

// endProbation lets go of the successor, unless that has said at this very moment
// that it cannot serve.
func (l *loop) endProbation(why string) {
	l.probation.timer.Stop()
	l.probation.watch.Stop()
	select {
	case err := <-l.probation.said():
		if err != nil {
			l.undo(restartError(err))
			return
		}
	default:
	}
	l.probation = nil
	// This cannot wait for long: a datagram to a manager that reads.
	if err := l.manager.Replacing(l.successor.PID); err != nil {
		l.undo(&RestartError{Phase: PhaseProbation, PID: l.successor.PID, Err: err})
		return
	}
	l.log.Info("restart: the probation is over, draining", "why", why, "successor", l.successor.PID)
	l.successor.Confirmed()
	l.letGo()
}

// endProbationBy ends the probation as the successor says: err is why it cannot
// serve; nil: it asks for the end.
func (l *loop) endProbationBy(err error) {
	if err != nil {
		l.undo(restartError(err))
		return
	}
	l.endProbation("the successor asks for it")
}

// undo makes this process serve again. Clients wait, so accepting comes first.
func (l *loop) undo(err error) {
	if l.probation != nil {
		l.probation.timer.Stop()
		l.probation.watch.Stop()
		l.probation = nil
	}
	successor, resumed := l.successor, l.passedOn()
	l.successor, l.lastError = nil, err
	l.to(StateServing)
	for _, s := range resumed {
		s.ln.Resume()
	}
	l.endSuccessor(successor, err)
	l.retakePIDFile()
	l.manager.Failed(err)
	l.r.events.emit(Event{Kind: EventUndone, Err: err})
	l.log.Error("restart: undone", "error", err)
}

// undoneGrace is what a successor whose restart was undone gets beyond the drain, for
// all that is waited for after the hammer.
const undoneGrace = 5 * closeGrace

// endSuccessor tells a successor that this process serves again, and sees to it that
// it ends: one that hangs would keep the clients that it has accepted.
func (l *loop) endSuccessor(s *handshake.Successor, why error) {
	within, log, closed := l.r.options.HammerTime, l.log, l.mail.closed
	if within >= 0 {
		within += undoneGrace
	}
	l.goroutines.Go(func() {
		if s.Abort(why, within, closed) {
			log.Warn("restart: a successor that was undone did not end and was killed", "successor", s.PID, "within", within)
		}
	})
}

// A trial is what the successor knows of its probation.
type trial struct {
	lasts  bool
	failed bool   // a service has, and the predecessor has been asked to serve again
	then   func() // to be called when the trial is over; may be nil
}

// afterTrial asks the predecessor to end the trial, and calls then when it is over.
func (l *loop) afterTrial(then func()) {
	l.onTrial.then = then
	l.r.pred.Confirm()
}

// confirm ends the trial: the predecessor has let go, or is gone.
func (l *loop) confirm() {
	if !l.onTrial.lasts {
		return
	}
	t := l.onTrial
	l.onTrial = trial{}
	if l.state != StateServing {
		return // about to stop
	}
	l.log.Info("restart: the probation is over, serving")
	l.tellManagerServing()
	if t.then != nil {
		t.then()
	}
	if t.failed {
		l.stopFailed("a service failed, and the predecessor does not serve any more")
	}
}

// giveBack asks the predecessor to serve again. It answers by "abort", see
// disown. If it has let go already, it ignores that: this process serves on.
func (l *loop) giveBack(reason error) {
	if !l.exited {
		l.r.pred.GiveBack(reason)
	}
}

// endTrial ends the trial of a process that drains. Unless the predecessor has
// disowned it, it stops in good order, and the predecessor must not take its end for
// a death.
func (l *loop) endTrial() {
	if !l.onTrial.lasts {
		return
	}
	then := l.onTrial.then
	l.onTrial = trial{}
	if !l.disowned && !l.exited {
		l.r.pred.Confirm()
	}
	if then != nil {
		then() // a restart, which is refused now
	}
}

// Undo undoes a restart while its probation lasts, see [Options.Probation]: the
// old process serves again, and the successor finishes what it has accepted and
// ends. Either process can be asked. In the successor Undo returns when the old
// process has been told. The reason is for the log, for [Status.LastError] and
// for observers. The error says that there is no probation.
func (r *Restarter) Undo(reason string) error {
	reply := make(chan error, 1)
	if !r.ran.Load() || !r.mail.post(undoAsked{reason, reply}) {
		return fmt.Errorf("restart: undo: %w", ErrNotServing)
	}
	return <-reply
}

var errNoProbation = errors.New("restart: undo: no probation is under way, see Options.Probation")

func (l *loop) askUndo(reason string) error {
	switch {
	case l.state == StateProbation:
		l.undo(&RestartError{Phase: PhaseProbation, PID: l.successor.PID, Err: fmt.Errorf("Undo was called: %s", reason)})
	case l.onTrial.lasts:
		l.giveBack(errors.New(reason))
	default:
		return errNoProbation
	}
	return nil
}
