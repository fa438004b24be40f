//go:build linux

package restart

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/wire"
)

// trying runs a Restarter that is on trial.
func trying(t *testing.T, opts Options) (*oldProcess, *run) {
	t.Helper()
	o, x := startSuccessor(t, opts)
	inScript(func() { o.toServing(wire.Go{Probation: true}) })
	x.reached(StateServing, 1)
	if !x.r.Status().OnProbation {
		t.Error("it does not know that it is on probation")
	}
	return o, x
}

// What a successor on trial says, and what becomes of it when the predecessor
// serves again.
func TestSuccessorGivesBack(t *testing.T) {
	for name, give := range map[string]func(*run){
		"Undo":            func(x *run) { x.r.Undo("on fire") },
		"a service fails": func(x *run) { x.service.fail <- errors.New("on fire") },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.pid")
			o, x := trying(t, Options{PIDFile: path})
			give(x)
			inScript(func() {
				var m wire.GiveBack
				o.want(wire.TypeGiveBack, &m)
				if !strings.Contains(m.Reason, "on fire") {
					t.Errorf("got %q", m.Reason)
				}
				o.send(wire.TypeAbort, wire.Abort{Reason: "undone"})
			})
			if err := x.returned(); err == nil || !strings.Contains(err.Error(), "undone") {
				t.Errorf("Run: got %v, want that it was undone", err)
			}
			if !pidfile.Ours(path) {
				t.Error("the PID file is gone: it is the predecessor's again")
			}
		})
	}
}

// A stop and another restart are meant for the service: the predecessor must let
// go, and not take the end of the successor for its death.
func TestTrialEndsEarly(t *testing.T) {
	t.Run("stop", func(t *testing.T) {
		o, x := trying(t, Options{})
		x.signal(syscall.SIGTERM)
		inScript(func() { o.want(wire.TypeConfirm, nil) })
		x.drained()
	})
	t.Run("restart", func(t *testing.T) {
		o, x := trying(t, Options{})
		result := make(chan error, 1)
		go func() { result <- x.r.Restart(t.Context()) }()
		inScript(func() { o.want(wire.TypeConfirm, nil) })
		select {
		case err := <-result:
			t.Errorf("got %v before the predecessor has let go", err)
		default:
		}
		inScript(func() { o.send(wire.TypeConfirmed, wire.Confirmed{}) })
		if _, tried := errors.AsType[*RestartError](<-result); !tried {
			t.Error("no restart was tried")
		}
		if x.r.Status().OnProbation {
			t.Error("it is still on probation")
		}
	})
	t.Run("restart, and undone", func(t *testing.T) {
		o, x := trying(t, Options{})
		result := make(chan error, 1)
		go func() { result <- x.r.Restart(t.Context()) }()
		inScript(func() { o.want(wire.TypeConfirm, nil); o.send(wire.TypeAbort, wire.Abort{}) })
		if err := <-result; !errors.Is(err, ErrStopped) {
			t.Errorf("got %v, want ErrStopped", err)
		}
	})
}

// An undo that comes when the predecessor has let go, or is dead, changes nothing:
// a service that stopped for it would leave nobody.
func TestUndoComesTooLate(t *testing.T) {
	for name, then := range map[string]func(*oldProcess){
		"it has let go": func(o *oldProcess) { o.send(wire.TypeConfirmed, wire.Confirmed{}) },
		"it is dead":    (*oldProcess).die,
	} {
		t.Run(name, func(t *testing.T) {
			o, x := trying(t, Options{})
			if err := x.r.Undo("the graphs are red"); err != nil {
				t.Fatal(err)
			}
			inScript(func() {
				o.want(wire.TypeGiveBack, nil)
				then(o)
			})
			until(t, "the probation ends", func() bool { return !x.r.Status().OnProbation })
			x.inLoop(func(*loop) {}) // has done what comes with the end of the probation
			if got := x.r.Status().State; got != StateServing {
				t.Errorf("got state %v, want serving", got)
			}
			x.answers("new")
		})
	}
}

// The restart that ends the probation may bring the cure for the failure.
func TestServiceFailsWhileARestartWaitsForTheEndOfTheProbation(t *testing.T) {
	o, x := prepareSuccessor(t, Options{})
	x.r.sys.start = spawning(t, takeOver).start
	x.run()
	inScript(func() { o.toServing(wire.Go{Probation: true}) })
	x.reached(StateServing, 1)
	result := make(chan error, 1)
	go func() { result <- x.r.Restart(t.Context()) }()
	inScript(func() { o.want(wire.TypeConfirm, nil) })
	x.service.fail <- errors.New("on fire")
	inScript(func() {
		o.want(wire.TypeGiveBack, nil)
		o.send(wire.TypeConfirmed, wire.Confirmed{})
	})
	if err := <-result; err != nil {
		t.Errorf("Restart: got %v", err)
	}
	if err := x.returned(); err == nil || !strings.Contains(err.Error(), "on fire") {
		t.Errorf("Run: got %v, want the failure", err)
	}
}

// The end of a generation before the predecessor says nothing of that, even where
// all have one PID, as in package restarttest.
func TestProbationOutlivesEarlierGenerations(t *testing.T) {
	_, x := trying(t, Options{})
	x.inLoop(func(l *loop) {
		l.handle(ancestorEnded{handshake.Lifeline{PID: l.r.pred.PID, Generation: l.r.pred.Generation - 1}})
	})
	if !x.r.Status().OnProbation {
		t.Error("the probation is over")
	}
}

// When the predecessor dies, nobody can serve again.
func TestPredecessorDiesInTheProbation(t *testing.T) {
	o, x := trying(t, Options{})
	o.die()
	until(t, "the probation ends", func() bool { return !x.r.Status().OnProbation })
	if err := x.r.Undo("too late"); !errors.Is(err, errNoProbation) {
		t.Errorf("got %v, want that there is none", err)
	}
	x.answers("new")
}
