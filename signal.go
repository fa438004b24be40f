package restart

import (
	"context"
	"os"
	"slices"
	"sync"
	"syscall"
)

// hooks holds what runs before and after signals, and which signals are taken
// from the process's defaults. It is safe for concurrent use.
type hooks struct {
	take func(...os.Signal) // signal.Notify for our channel

	mu      sync.Mutex
	before  map[os.Signal][]Hook
	after   map[os.Signal][]Hook
	running bool
}

func newHooks(take func(...os.Signal)) *hooks {
	return &hooks{take: take, before: make(map[os.Signal][]Hook), after: make(map[os.Signal][]Hook)}
}

func (h *hooks) add(to map[os.Signal][]Hook, sig os.Signal, hook Hook) {
	h.mu.Lock()
	to[sig] = append(to[sig], hook)
	running := h.running
	h.mu.Unlock()
	if running {
		h.take(sig)
	}
}

// run takes the signals: our own and those that hooks were added for. Until
// then SIGINT and SIGTERM end the program as they end any other.
func (h *hooks) run() {
	h.mu.Lock()
	h.running = true
	sigs := slices.Clone(ownSignals)
	for _, m := range []map[os.Signal][]Hook{h.before, h.after} {
		for sig := range m {
			sigs = append(sigs, sig)
		}
	}
	h.mu.Unlock()
	h.take(sigs...)
}

// of returns the hooks of sig.
func (h *hooks) of(m map[os.Signal][]Hook, sig os.Signal) []Hook {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(m[sig])
}

// earlySignals are taken from New on: a SIGHUP that comes while the program
// still starts must not kill it.
var earlySignals = []os.Signal{syscall.SIGHUP}

// A dispatcher runs hooks and actions of signals, each signal's in its own
// goroutine, so that a slow restart does not hold up SIGTERM. Only the loop
// uses it.
type dispatcher struct {
	busy    map[os.Signal]bool
	pending map[os.Signal]bool // came while busy; more than one are one
}

// handle runs what belongs to sig: Before hooks, the action, After hooks. One
// that is still busy is run once more when it is done; during a restart SIGHUP
// is, when that has failed, else the successor does it.
func (l *loop) handle(sig os.Signal) {
	if l.signals.busy[sig] {
		if sig == syscall.SIGHUP && l.state == StateRestarting {
			l.again = true
		} else {
			l.signals.pending[sig] = true
		}
		return
	}
	l.signals.busy[sig] = true
	l.hooks.Add(1)
	go func() {
		defer l.hooks.Done()
		l.runHooks(l.hookCtx, sig)
		l.post(signalDone{sig})
	}()
}

func (l *loop) runHooks(ctx context.Context, sig os.Signal) {
	h := l.r.hooks
	for _, hook := range h.of(h.before, sig) {
		if err := hook(ctx, sig); err != nil {
			l.log.Error("restart: vetoed by a Before hook", "signal", sig.String(), "error", err)
			return
		}
	}
	done := make(chan struct{})
	if !l.post(signalAction{sig, done}) {
		return
	}
	<-done
	for _, hook := range h.of(h.after, sig) {
		if err := hook(ctx, sig); err != nil {
			l.log.Error("restart: After hook failed", "signal", sig.String(), "error", err)
		}
	}
}

// act does what sig does and closes done when that is done: for a restart that
// it has succeeded or failed, for a drain that it has begun.
func (l *loop) act(sig os.Signal, done chan struct{}) {
	switch {
	case sig == syscall.SIGHUP && (l.state == StateStarting || l.state == StateRestarting):
		l.again = true
	case sig == syscall.SIGHUP:
		l.restart(l.hookCtx, func(err error) {
			l.logFailure(err)
			close(done)
		})
		return
	case sig == os.Interrupt && l.interrupts > 1 && l.state == StateDraining:
		l.swing("second signal " + sig.String()) // came while the first one's hooks ran
	case sig == os.Interrupt || sig == syscall.SIGTERM:
		l.stop("signal " + sig.String())
	case isHammer(sig):
		l.swing("signal " + sig.String())
	}
	close(done)
}
