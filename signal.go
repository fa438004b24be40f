package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// hooks holds the hooks of all signals, and catches the signals. It is safe for
// concurrent use.
type hooks struct {
	notify func(...os.Signal) // signal.Notify for our channel

	mu       sync.Mutex
	before   map[os.Signal][]Hook
	after    map[os.Signal][]Hook
	catching bool
}

func newHooks(notify func(...os.Signal)) *hooks {
	return &hooks{notify: notify, before: make(map[os.Signal][]Hook), after: make(map[os.Signal][]Hook)}
}

func (h *hooks) add(to map[os.Signal][]Hook, sig os.Signal, hook Hook) error {
	if hook == nil {
		return errors.New("restart: add hook: it is nil")
	}
	if !canCatch(sig) {
		return fmt.Errorf("restart: add hook: signal %v cannot be caught", sig)
	}
	h.mu.Lock()
	to[sig] = append(to[sig], hook)
	catching := h.catching
	h.mu.Unlock()
	if catching {
		h.notify(sig)
	}
	return nil
}

// catch catches our own signals and those that have hooks. Until then SIGINT and
// SIGTERM end the program as they end any other.
func (h *hooks) catch() {
	h.mu.Lock()
	h.catching = true
	sigs := slices.Clone(ownSignals)
	for _, m := range []map[os.Signal][]Hook{h.before, h.after} {
		for sig := range m {
			sigs = append(sigs, sig)
		}
	}
	h.mu.Unlock()
	h.notify(sigs...)
}

func (h *hooks) of(m map[os.Signal][]Hook, sig os.Signal) []Hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(m[sig])
}

// earlySignals are caught from New on: a SIGHUP that comes while the program
// still starts must not kill it.
var earlySignals = []os.Signal{syscall.SIGHUP}

func isEnding(sig os.Signal) bool { return sig == os.Interrupt || sig == syscall.SIGTERM }

// An action is what a signal or a caller asks for: the Before hooks, then the
// effect, then the After hooks. Every restart is an action of SIGHUP.
type action struct {
	sig   os.Signal
	ctx   context.Context
	reply func(error) // gets the outcome of the effect, or the veto

	began  time.Time
	cancel context.CancelCauseFunc // ends ctx

	asked bool // by a caller, who gets every error, and not by a signal
	over  bool // the effect is over or vetoed; the After hooks may still run
}

// actions are the actions that run and those that wait. One of each signal runs at a
// time, on a goroutine of its own, so that a slow restart does not hold up SIGTERM.
// Only the loop uses them.
type actions struct {
	ctx        context.Context // of the hooks of signals
	running    map[os.Signal]*action
	pending    map[os.Signal][]*action // to run when the running one has ended
	interrupts int                     // SIGINTs so far
	goroutines *sync.WaitGroup         // those of the actions
}

func newActions() actions {
	return actions{
		running:    make(map[os.Signal]*action),
		pending:    make(map[os.Signal][]*action),
		goroutines: new(sync.WaitGroup),
	}
}

// ended returns a channel that is closed when no hook runs any more.
func (as *actions) ended() <-chan struct{} { return whenReturned(as.goroutines.Wait) }

// runAction is the goroutine of an action.
func (h *hooks) runAction(a *action, signals context.Context, mail mailbox, log *slog.Logger) {
	defer mail.post(actionEnded{a})
	ctx, cancel := context.WithCancel(a.ctx)
	defer cancel()
	defer context.AfterFunc(signals, cancel)()
	defer a.cancel(nil)
	for _, hook := range h.of(h.before, a.sig) {
		if err := hook(ctx, a.sig); err != nil {
			mail.post(actionVetoed{a, err})
			return
		}
	}
	done := make(chan struct{})
	if !mail.post(actionAgreed{a, done}) {
		return
	}
	<-done
	for _, hook := range h.of(h.after, a.sig) {
		if err := hook(ctx, a.sig); err != nil {
			log.Error("restart: After hook failed", "signal", a.sig.String(), "error", err)
		}
	}
}

// act runs an action, at once or when the one of the same signal has ended. However
// often the signal comes until then, it counts as one.
func (l *loop) act(a *action) {
	sig := a.sig
	if l.actions.running[sig] != nil {
		signalled := slices.ContainsFunc(l.actions.pending[sig], func(p *action) bool { return !p.asked })
		if a.asked || !signalled {
			l.actions.pending[sig] = append(l.actions.pending[sig], a)
		}
		return
	}
	l.actions.running[sig] = a
	a.began = time.Now()
	a.ctx, a.cancel = context.WithCancelCause(a.ctx)
	hooks, signals, mail, log := l.r.hooks, l.actions.ctx, l.mail, l.log
	l.actions.goroutines.Go(func() { hooks.runAction(a, signals, mail, log) })
}

// perform gives an action its effect, when its Before hooks have agreed. It closes
// done when the restart has succeeded or failed, or when the drain has begun.
func (l *loop) perform(a *action, done chan<- struct{}) {
	finish := func(err error) {
		a.over = true
		a.reply(err)
		close(done)
	}
	switch {
	case a.sig == syscall.SIGHUP:
		l.restart(a, finish)
		return
	// In the next two cases the signal came while the hooks of the first one ran.
	case a.sig == os.Interrupt && l.state == StateLameDuck:
		l.endLameDuck("signal " + a.sig.String())
	case a.sig == os.Interrupt && l.actions.interrupts > 1 && l.state == StateDraining:
		l.hammer("second signal " + a.sig.String())
	case isEnding(a.sig):
		l.stop("signal " + a.sig.String())
	case isHammer(a.sig):
		l.hammer("signal " + a.sig.String())
	}
	finish(nil)
}

// veto ends an action that a Before hook has refused.
func (l *loop) veto(a *action, err error) {
	a.over = true
	if !a.asked {
		l.log.Error("restart: vetoed by a Before hook", "signal", a.sig.String(), "error", err)
	}
	if a.sig != syscall.SIGHUP {
		return
	}
	err = &RestartError{Phase: PhaseHooks, Err: err}
	l.lastError = err
	if l.state == StateServing {
		l.manager.Failed(err)
		l.r.events.emit(Event{Kind: EventFailed, Err: err, Elapsed: time.Since(a.began)})
	}
	if a.asked {
		a.reply(err)
	}
}

// endAction makes room for the next action of the same signal.
func (l *loop) endAction(a *action) {
	delete(l.actions.running, a.sig)
	pending := l.actions.pending[a.sig]
	if len(pending) == 0 || l.state == StateStopped {
		return
	}
	l.actions.pending[a.sig] = pending[1:]
	if next := pending[0]; next.asked {
		l.askRestart(next.ctx, next.reply)
	} else {
		l.act(next)
	}
}

// Before adds a hook that runs before sig has its effect. Hooks run in the order
// in which they were added. An error from a hook vetoes the effect. A hook also
// replaces the default action of a signal that has no effect of its own here.
//
// The hooks of SIGHUP run for every restart, also for one that [Restarter.Restart]
// asks for. They are the place to check a new configuration. Restart returns the
// veto; the veto of a signal is logged.
//
// An error says that the hook can never run: h is nil, the signal cannot be caught,
// Run has returned, or another Restarter runs in this process.
func (r *Restarter) Before(sig os.Signal, h Hook) error { return r.addHook(r.hooks.before, sig, h) }

// After adds a hook that runs after sig has had its effect: when a restart has
// succeeded or failed, see [Status.LastError], and when a drain has begun. An
// error from a hook is logged. Otherwise After is like Before.
func (r *Restarter) After(sig os.Signal, h Hook) error { return r.addHook(r.hooks.after, sig, h) }

func (r *Restarter) addHook(to map[os.Signal][]Hook, sig os.Signal, h Hook) error {
	select {
	case <-r.over:
		return fmt.Errorf("restart: add hook: %w", ErrStopped)
	default:
	}
	if err := r.sys.process.hooked(r); err != nil {
		return err
	}
	return r.hooks.add(to, sig, h)
}
