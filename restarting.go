package restart

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/transfer"
)

// An attempt is a restart that is under way, as the loop sees it.
type attempt struct {
	began    time.Time
	cancel   context.CancelCauseFunc
	reply    func(error)
	thenStop string // why to stop if the attempt fails; empty: do not
	again    again
}

// again says who restarts once more because SIGHUP came during an attempt.
type again int

const (
	againNobody    again = iota // no SIGHUP has come
	againHere                   // this process, if the attempt fails
	againSuccessor              // the successor, which has been told
)

// passAgain reports whether the successor is to restart once more. If so, that is
// no longer this process's business.
func (a *attempt) passAgain() bool {
	if a.again == againHere {
		a.again = againSuccessor
		return true
	}
	return false
}

// errTwoRestarters reports a bug of the program.
var errTwoRestarters = errors.New("restart: two Restarters run in this process, and each would start a successor: let all services share one (that of package http is its Default)")

// refusal says why no restart can be tried now.
func (l *loop) refusal() error {
	switch l.state {
	case StateNew, StateStarting:
		return ErrNotServing
	case StateRestarting:
		return ErrRestarting
	case StateProbation, StateLameDuck, StateDraining, StateStopped:
		return ErrStopped
	case StateServing:
	}
	if !spawn.Supported {
		return ErrUnsupported
	}
	if l.r.sys.process.running() > 1 {
		return errTwoRestarters
	}
	if err := l.manager.Refusal(); err != nil {
		return err
	}
	if limit, n := l.r.options.MaxDraining, len(l.r.living()); limit >= 0 && n > limit {
		return fmt.Errorf("%w: %d, Options.MaxDraining is %d", ErrTooManyDraining, n, limit)
	}
	return nil
}

// refuse answers a restart that is not tried. While this process just serves,
// observers learn of it too.
func (l *loop) refuse(err error, reply func(error)) {
	if l.state == StateServing {
		l.manager.Failed(err)
		l.r.events.emit(Event{Kind: EventFailed, Err: err})
	}
	reply(err)
}

// askRestart begins a restart that a caller asks for, its hooks first. The restart
// waits for the After hooks of the one before. It also waits until the predecessor
// knows that this process serves, because clients may know sooner.
func (l *loop) askRestart(ctx context.Context, reply func(error)) {
	if l.state == StateStarting && l.starting.stage == stageAccepting {
		l.starting.asked = append(l.starting.asked, restartAsked{ctx, reply})
		return
	}
	if err := l.refusal(); err != nil {
		l.refuse(err, reply)
		return
	}
	if a := l.actions.running[syscall.SIGHUP]; a != nil && !a.over {
		reply(ErrRestarting)
		return
	}
	l.act(&action{sig: syscall.SIGHUP, ctx: ctx, reply: reply, asked: true})
}

// restartAgain begins the restart that a SIGHUP asked for while none could begin.
func (l *loop) restartAgain() {
	l.act(&action{sig: syscall.SIGHUP, ctx: l.actions.ctx, reply: l.logFailure})
}

// logFailure is the reply to a restart that no caller waits for.
func (l *loop) logFailure(err error) {
	switch {
	case err == nil:
	case errors.Is(err, ErrStopped) && l.successor != nil:
		l.log.Info("restart: replaced already; the successor can be restarted", "successor", l.successor.PID)
	case errors.Is(err, ErrStopped):
		l.log.Info("restart: stopping already; SIGHUP ignored")
	default:
		l.log.Error("restart: failed", "error", err)
	}
}

// errCanceled is the cause of what CancelRestart ends.
var errCanceled = fmt.Errorf("CancelRestart was called: %w", context.Canceled)

// cancelRestart ends the restart that is under way, and reports whether there is
// one.
func (l *loop) cancelRestart() bool {
	switch a := l.actions.running[syscall.SIGHUP]; {
	case l.attempt != nil:
		l.attempt.cancel(errCanceled)
	case a != nil && !a.over:
		a.cancel(errCanceled)
	default:
		return false
	}
	return true
}

// restart begins an attempt, whose hooks have agreed, and calls reply when it has
// ended.
func (l *loop) restart(action *action, reply func(error)) {
	if err := l.refusal(); err != nil {
		l.refuse(err, reply)
		return
	}
	if l.onTrial.lasts {
		l.afterTrial(func() { l.restart(action, reply) })
		return
	}
	l.to(StateRestarting)
	l.r.events.emit(Event{Kind: EventRestarting})
	phase := l.r.events.phases(action.began)
	phase(PhaseHooks)
	delete(l.actions.pending, syscall.SIGHUP) // asks for no more than this one
	l.manager.Restarting()
	ctx, cancel := context.WithCancelCause(action.ctx)
	l.attempt = &attempt{cancel: cancel, reply: reply, began: time.Now()}
	s := starter{
		options:    l.r.options,
		sys:        l.r.sys,
		log:        l.log,
		generation: l.r.generation,
		sockets:    l.startedSockets(),
		lifelines:  l.r.lifelines(l.since),
		phase:      phase,
		again:      l.mail.passAgain,
	}
	mail := l.mail
	l.goroutines.Go(func() {
		defer cancel(nil)
		successor, err := s.start(ctx)
		mail.post(attemptEnded{successor, err})
	})
}

// passAgain calls attempt.passAgain on the goroutine of the loop.
func (b mailbox) passAgain() bool {
	reply := make(chan bool, 1)
	return b.post(passAgainAsked{reply}) && <-reply
}

// endAttempt goes on as the outcome of the attempt demands: drained, on probation,
// or serving as before.
func (l *loop) endAttempt(s *handshake.Successor, err error) {
	a := l.attempt
	l.attempt = nil
	l.lastError = err
	if err != nil {
		l.to(StateServing)
		l.retakePIDFile()
		l.manager.Failed(err)
		l.r.events.emit(Event{Kind: EventFailed, Err: err, Elapsed: time.Since(a.began)})
	} else {
		l.successor = s
		l.r.events.emit(Event{Kind: EventReplaced, Successor: s.PID, Elapsed: time.Since(a.began)})
		if a.again == againHere {
			s.Signal(syscall.SIGHUP) // came after passAgain
		}
		if s.Probation {
			l.log.Info("restart: replaced, on probation", "successor", s.PID, "elapsed", since(a.began), "probation", l.r.options.Probation.String())
			l.beginProbation()
		} else {
			l.log.Info("restart: replaced, draining", "successor", s.PID, "elapsed", since(a.began))
			if l.r.options.Probation > 0 {
				l.log.Warn("restart: no probation: the successor was built with an older version of this library")
			}
			l.letGo()
		}
	}
	a.reply(err)
	switch {
	case a.thenStop != "" && (err != nil || l.state == StateProbation):
		l.stop(a.thenStop)
	case err == nil:
	case a.again != againNobody:
		l.restartAgain()
	}
}

// letGo begins the drain for a successor that serves.
func (l *loop) letGo() {
	l.sender = transfer.NewSender(l.successor.Conn)
	l.manager.Replaced(l.successor.PID)
	l.startDrain()
}

// retakePIDFile puts our PID back if the successor came so far as to write its
// own.
func (l *loop) retakePIDFile() {
	path := l.r.options.PIDFile
	if path == "" || pidfile.Ours(path) {
		return
	}
	if err := pidfile.Write(path); err != nil {
		l.log.Error("restart: cannot take the PID file back", "error", err)
	}
}
