//go:build linux

package restart

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/restart/internal/wire"
)

// A record keeps events as short lines.
type record struct {
	mu    sync.Mutex
	lines []string
}

func (r *record) note(e Event) {
	line := e.Kind.String()
	switch {
	case e.Kind == EventPhase:
		line += " " + e.Phase.String()
	case e.Kind == EventReplaced:
		line += fmt.Sprint(" by us: ", e.Successor == os.Getpid())
	case e.Err != nil:
		line += " " + e.Err.Error()
	}
	if e.Time.IsZero() || e.Generation != 1 || e.Elapsed < 0 {
		line += fmt.Sprintf(" %+v", e)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, line)
}

func (r *record) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

// Observers learn of everything, in order, before Run returns.
func TestEvents(t *testing.T) {
	var first, second record
	x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
	x.r = fakeRestarter(t, Options{Logger: slogTo(x.log)}, spawning(t, fails, takeOver))
	if _, err := x.r.Add("web", "tcp", "127.0.0.1:0", x.service); err != nil {
		t.Fatal(err)
	}
	x.r.OnEvent(first.note)
	x.r.OnEvent(second.note)
	veto := errors.New("not today")
	x.r.Before(syscall.SIGHUP, func(context.Context, os.Signal) error { return veto })
	x.run()
	x.reached(StateServing, 1)

	vetoed := x.r.Restart(t.Context())
	veto = nil
	failed := x.r.Restart(t.Context())
	if vetoed == nil || failed == nil {
		t.Fatalf("got %v, %v", vetoed, failed)
	}
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.drained()
	want := []string{
		"serving",
		"failed " + vetoed.Error(),
		"restarting", "phase hooks", "phase prepare", "phase start", "failed " + failed.Error(),
		"restarting", "phase hooks", "phase prepare", "phase start", "phase ready", "phase commit", "phase go", "replaced by us: true",
		"drained",
	}
	for _, got := range [][]string{first.all(), second.all()} {
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("(-want +got):\n%s", d)
		}
	}
}

func TestEventsOfAStop(t *testing.T) {
	var got record
	x := start(t, Options{}, fakeSystem())
	x.r.OnEvent(got.note)
	x.serving()
	x.r.Shutdown()
	x.drained()
	lines := got.all()
	if n := len(lines); n < 2 || lines[n-2] != "stopping" || lines[n-1] != "drained" {
		t.Errorf("got %q, want stopping and drained at the end", lines)
	}
}

// An observer is foreign code: nothing but other observers waits for it.
func TestSlowObserver(t *testing.T) {
	release := make(chan struct{})
	var got record
	x := start(t, Options{}, spawning(t, fails)).serving()
	x.inLoop(func(*loop) {}) // it has said so
	x.r.OnEvent(func(e Event) { <-release; got.note(e) })
	if err := x.r.Restart(t.Context()); err == nil {
		t.Error("got no error")
	}
	x.answers("old")
	if x.r.events.flush(0) {
		t.Error("everything is delivered while the observer hangs")
	}
	close(release)
	x.r.Shutdown()
	x.drained()
	if lines := got.all(); len(lines) < 2 || lines[0] != "restarting" || lines[len(lines)-1] != "drained" {
		t.Errorf("got %q, want all events in order", lines)
	}
}

func TestEventKindText(t *testing.T) {
	for k := EventServing; k <= EventDrained; k++ {
		var back EventKind
		if text, err := k.MarshalText(); err != nil || back.UnmarshalText(text) != nil || back != k {
			t.Errorf("got %v for %v, %v", back, k, err)
		}
	}
	if got, want := EventKind(-1).String(), "EventKind(-1)"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if new(EventKind).UnmarshalText([]byte("asleep")) == nil {
		t.Error("an unknown kind: got no error")
	}
}

// Whoever asked learns that the restart was called off, at whatever moment.
func TestCancelRestart(t *testing.T) {
	begun := make(chan struct{}, 1)
	x := start(t, Options{}, spawning(t, func(p *peer) {
		p.manifest()
		begun <- struct{}{}
		p.want(wire.TypeAbort, nil)
	})).serving()
	if x.r.CancelRestart() {
		t.Error("got true, but no restart is under way")
	}
	result := make(chan error, 1)
	canceled := func() {
		t.Helper()
		go func() { result <- x.r.Restart(t.Context()) }()
		<-begun
		if !x.r.CancelRestart() {
			t.Error("got false, but a restart is under way")
		}
		if err := <-result; !errors.Is(err, context.Canceled) || !errors.Is(err, errCanceled) {
			t.Errorf("got %v, want that it was canceled", err)
		}
		x.answers("old")
	}
	canceled()

	// A hook that does not look at its context, and one that does.
	release := make(chan struct{})
	hook := func(context.Context) error { <-release; return nil }
	x.r.Before(syscall.SIGHUP, func(ctx context.Context, _ os.Signal) error {
		begun <- struct{}{}
		return hook(ctx)
	})
	go func() { result <- x.r.Restart(t.Context()) }()
	<-begun
	if !x.r.CancelRestart() {
		t.Error("got false while a hook runs")
	}
	close(release)
	if err := <-result; !errors.Is(err, errCanceled) {
		t.Errorf("got %v, want that it was canceled", err)
	}
	hook = func(ctx context.Context) error { <-ctx.Done(); return context.Cause(ctx) }
	canceled()
}
