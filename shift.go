package restart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"syscall"
	"time"

	"github.com/hashicorp/go-multierror"
)

// restart begins an attempt and calls reply when it has ended.
func (l *loop) restart(ctx context.Context, reply func(error)) {
	if err := l.refusal(); err != nil {
		reply(err)
		return
	}
	l.to(StateRestarting)
	l.again, l.told = false, false
	delete(l.signals.pending, syscall.SIGHUP) // asks for no more than this one
	l.log.Info("restart: starting a successor")
	ctx, cancel := context.WithCancelCause(ctx)
	l.attempt = &attempt{cancel: cancel, reply: reply, began: time.Now()}
	b := bequest{
		generation: l.r.generation,
		sockets:    l.r.table.list()[:l.taken],
		lifelines:  l.r.living(),
		own:        l.r.own,
	}
	l.goroutines.Go(func() {
		defer cancel(nil)
		s, err := raise(ctx, l.r.options, l.r.sys, b, l.beforeGo, l.askedAgain)
		l.post(attemptDone{s, err})
	})
}

// beforeGo is the point between a successor's being ready and its taking over
// where a manager is told.
func (l *loop) beforeGo() error { return nil }

// askedAgain is called by the attempt's goroutine just before "go".
func (l *loop) askedAgain() bool {
	reply := make(chan bool, 1)
	if !l.post(askAgain{reply}) {
		return false
	}
	return <-reply
}

// askAgain asks whether a restart was asked for during this one.
type askAgain struct{ reply chan<- bool }

func (m askAgain) handle(l *loop) {
	l.told = l.again
	m.reply <- l.again
}

// errTwoRestarters is an error of the program, and none to be acted upon.
var errTwoRestarters = errors.New("restart: two Restarters run in this process, and each would start a successor: let all services share one (that of package http is its Default)")

// refusal says why no restart can be tried now.
func (l *loop) refusal() error {
	switch l.state {
	case StateNew, StateStarting:
		return ErrNotServing
	case StateRestarting:
		return ErrRestarting
	case StateDraining, StateStopped:
		return ErrStopped
	case StateServing:
	}
	if !canReplace {
		return ErrUnsupported
	}
	if l.r.sys.running.Load() > 1 {
		return errTwoRestarters
	}
	if limit, n := l.r.options.MaxDraining, len(l.r.living()); limit >= 0 && n > limit {
		return fmt.Errorf("%w: %d, Options.MaxDraining is %d", ErrTooManyDraining, n, limit)
	}
	return nil
}

// restartAgain does what a SIGHUP asked for that came at a bad moment, hooks
// included.
func (l *loop) restartAgain() {
	if l.again {
		l.again = false
		l.handle(syscall.SIGHUP)
	}
}

// logFailure is the reply to a restart that no caller waits for.
func (l *loop) logFailure(err error) {
	switch {
	case err == nil:
	case errors.Is(err, ErrStopped) && l.successor != nil:
		l.log.Info("restart: replaced already; the successor can be restarted", "successor", l.successor.pid)
	default:
		l.log.Error("restart: failed", "error", err)
	}
}

// attempted ends the attempt.
func (l *loop) attempted(s *successor, err error) {
	a := l.attempt
	l.attempt = nil
	l.lastError = err
	if err != nil {
		l.to(StateServing)
		l.retakePIDFile()
	} else {
		l.successor = s
		l.log.Info("restart: replaced, draining", "successor", s.pid, "elapsed", time.Since(a.began))
		if l.again && !l.told {
			s.pass(syscall.SIGHUP) // came after "go"
		}
		l.drain()
	}
	l.publish() // who is told may look at Status
	a.reply(err)
	if a.stop != "" {
		l.stop(a.stop)
	} else if err != nil {
		l.restartAgain()
	}
}

// retakePIDFile puts our PID back if the successor came so far as to write its
// own.
func (l *loop) retakePIDFile() {
	path := l.r.options.PIDFile
	if path == "" || ownsPIDFile(path) {
		return
	}
	if err := writePIDFile(path); err != nil {
		l.log.Error("restart: taking the PID file back", "error", err)
	}
}

// stop begins a drain without a successor. An attempt that is under way is
// ended first: should it have come too far, its successor serves on.
func (l *loop) stop(why string) {
	switch l.state {
	case StateRestarting:
		l.attempt.stop = why
		l.attempt.cancel(fmt.Errorf("stopping: %s", why))
	case StateStarting:
		if l.held() {
			l.giveUp(fmt.Errorf("restart: stopped before it took over: %s", why))
			return
		}
		fallthrough
	case StateServing:
		l.log.Info("restart: stopping", "why", why)
		l.drain()
	case StateNew, StateDraining, StateStopped:
		l.log.Info("restart: draining already", "why", why)
	}
}

// fail stops because of err.
func (l *loop) fail(err error) {
	if err == context.Canceled {
		return // errgroup ends its context after the last service, too
	}
	l.log.Error("restart: stopping", "error", err)
	if l.held() {
		l.giveUp(err)
		return
	}
	l.result = join(l.result, err)
	switch l.state {
	case StateDraining:
	case StateRestarting:
		// The successor may be what is needed now: it is not ended for our
		// failure. Without it we stop when the attempt has failed.
		l.attempt.stop = err.Error()
	default:
		l.stop(err.Error())
	}
}

// swing ends the drain by force.
func (l *loop) swing(why string) {
	if l.state != StateDraining {
		l.log.Info("restart: nothing drains, hammer ignored", "why", why)
		return
	}
	select {
	case <-l.swung:
	default:
		l.log.Warn("restart: hammer", "why", why)
		close(l.swung)
	}
}

// drain begins to drain. Who has the sockets from here on decides what is left
// for us: the successor, the predecessor that gave up on us, or nobody.
func (l *loop) drain() {
	held := l.held()
	l.to(StateDraining)
	l.r.table.close()
	go func() { l.services.Wait(); close(l.served) }()
	l.draining = &drain{
		began:   time.Now(),
		sockets: l.r.table.list(),
		left: func(s *socket) bool {
			return !held && (l.successor == nil || !slices.Contains(l.successor.claimed, s.name))
		},
		to:     l.wayTo,
		within: l.r.options.HammerTime,
		hammer: l.swung,
		served: l.served,
		log:    l.log,
	}
	// At once, and not in its turn: whoever asked for the restart may ask next
	// which version answers.
	l.draining.giveUp()
	pass := l.passSources()
	l.goroutines.Go(func() {
		pass()
		l.post(drained{l.draining.run()})
	})
}

// wayTo returns the way to the service of s in the successor, nil if there is
// none that wants connections.
func (l *loop) wayTo(s *socket) *Handover {
	if l.successor == nil || !slices.Contains(l.successor.adopts, s.name) {
		return nil
	}
	return &Handover{name: s.name, courier: l.successor.courier}
}

// finish ends the life of this generation.
func (l *loop) finish(err error) {
	// The first failure is in the result unless it came as the drain ended.
	for _, failure := range l.failures.all() {
		if !errors.Is(l.result, failure) {
			l.result = join(l.result, failure)
		}
	}
	l.result = join(l.result, err)
	l.clear()
	l.to(StateStopped)
	l.log.Info("restart: drained", append(l.counts(), "elapsed", time.Since(l.draining.began))...)
}

// counts says what became of the connections.
func (l *loop) counts() []any {
	announced := 0
	for _, s := range l.r.table.list() {
		announced += s.announced()
	}
	counts := []any{"announced", announced, "cut", l.draining.wasCut.Load()}
	if l.successor != nil {
		moved, refused, why := l.successor.courier.counts()
		counts = append(counts, "handed_over", moved, "refused", refused)
		if why != "" {
			counts = append(counts, "reason", why)
		}
	}
	return counts
}

// clear removes from the file system what nobody else uses: the last generation
// all, a process that gave up what was new in it, one that was replaced a PID
// file that its successor keeps elsewhere.
func (l *loop) clear() {
	gaveUp := l.r.pred != nil && l.stage != stageAlone
	for _, s := range l.r.table.list() {
		if l.successor != nil || gaveUp && s.inherited != "" {
			continue
		}
		if err := s.path.unlink(); err != nil {
			l.result = join(l.result, fmt.Errorf("restart: listener %q: %w", s.name, err))
		}
	}
	if gaveUp {
		return // the predecessor takes the PID file back
	}
	l.result = join(l.result, removePIDFile(l.r.options.PIDFile))
}

// join puts two errors into one line; either may be nil.
func join(a, b error) error {
	if a == nil || b == nil {
		return errors.Join(a, b)
	}
	return oneLine(multierror.Append(a, b))
}
