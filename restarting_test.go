//go:build linux

package restart

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/internal/gate"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/wire"
)

func TestRefusals(t *testing.T) {
	begun, release := make(chan struct{}), make(chan struct{})
	sys := spawning(t, func(p *peer) { close(begun); <-release; fails(p) })
	x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
	x.service.answer = "old"
	x.r = fakeRestarter(t, Options{Logger: slogTo(x.log)}, sys)
	if err := x.r.Restart(t.Context()); !errors.Is(err, ErrNotServing) {
		t.Errorf("before Run: got %v, want ErrNotServing", err)
	}
	addr, err := x.r.Add("web", "tcp", "127.0.0.1:0", x.service)
	if err != nil {
		t.Fatal(err)
	}
	x.address = addr.String()
	x.run()
	x.serving()
	if err := x.r.Run(t.Context()); err == nil {
		t.Error("Run twice: got no error")
	}
	first := make(chan error)
	go func() { first <- x.r.Restart(t.Context()) }()
	<-begun
	if err := x.r.Restart(t.Context()); !errors.Is(err, ErrRestarting) {
		t.Errorf("during a restart: got %v, want ErrRestarting", err)
	}
	close(release)
	if err := <-first; err == nil || !strings.Contains(err.Error(), "no") {
		t.Errorf("got %v", err)
	}
	x.r.Shutdown()
	x.drained()
	if err := x.r.Restart(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("after Run: got %v, want ErrStopped", err)
	}
}

// A stop ends an attempt, and whoever asked for it learns why.
func TestStopDuringARestart(t *testing.T) {
	for name, stop := range map[string]func(*run){
		"Shutdown": func(x *run) { x.r.Shutdown() },
		"SIGTERM":  func(x *run) { x.signal(syscall.SIGTERM) },
	} {
		t.Run(name, func(t *testing.T) {
			begun := make(chan struct{})
			x := start(t, Options{}, spawning(t, func(p *peer) {
				p.manifest()
				close(begun)
				p.want(wire.TypeAbort, nil)
			})).serving()
			result := make(chan error)
			go func() { result <- x.r.Restart(t.Context()) }()
			<-begun
			stop(x)
			if err := <-result; err == nil || !strings.Contains(err.Error(), "stopping") {
				t.Errorf("got %v, want the reason", err)
			}
			if err := x.returned(); err != nil {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

// The context of Restart ends the attempt, and its cause is the error.
func TestRestartEndsWithItsContext(t *testing.T) {
	begun := make(chan struct{})
	x := start(t, Options{}, spawning(t, func(p *peer) {
		p.manifest()
		close(begun)
		p.want(wire.TypeAbort, nil)
	})).serving()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("changed my mind")
	go func() { <-begun; cancel(why) }()
	if err := x.r.Restart(ctx); !errors.Is(err, why) {
		t.Errorf("got %v, want the context's cause", err)
	}
	x.answers("old")
}

// As many as Options.MaxDraining says may drain, not one more.
func TestMaxDraining(t *testing.T) {
	for _, tt := range []struct {
		limit   int
		refused bool
	}{{0, false}, {-1, false}, {2, false}, {1, true}} {
		o := newOldProcess(t)
		o.hello()
		other, otherLife, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		o.sendFiles()
		o.send(wire.TypeFiles, wire.Files{Files: []wire.File{{Kind: wire.KindLifeline, PID: 2, Generation: 2}}}, other)
		other.Close()
		o.send(wire.TypeStart, wire.Start{})
		x, err := o.newSuccessor(t, Options{MaxDraining: tt.limit})
		if err != nil {
			t.Fatal(err)
		}
		x.r.sys.start = spawning(t, takeOver).start
		x.run()
		inScript(func() { o.toServing(wire.Go{}) })
		x.reached(StateServing, 1)
		if got, want := x.r.Status().Draining, 2; len(got) != want {
			t.Errorf("got %v draining, want %d", got, want)
		}
		err = x.r.Restart(t.Context())
		if got := errors.Is(err, ErrTooManyDraining); got != tt.refused {
			t.Errorf("limit %d: got %v", tt.limit, err)
		}
		if tt.refused {
			otherLife.Close() // one has ended
			if err := x.r.Restart(t.Context()); err != nil {
				t.Errorf("limit %d, one less: %v", tt.limit, err)
			}
		}
		x.drained()
		otherLife.Close()
	}
}

// Whoever restarts and then asks for the version must not get the old one.
func TestRestartReturnsWhenTheOldProcessAcceptsNothing(t *testing.T) {
	for range 20 {
		x := start(t, Options{}, spawning(t, takeOver)).serving()
		if err := x.r.Restart(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := x.r.table.list()[0].ln.Phase(); got != gate.Stopped && got != gate.Closed {
			t.Fatalf("got phase %v after Restart, want stopped", got)
		}
		x.drained()
	}
}

// Two Restarters would each start a successor, neither of which had all
// sockets.
func TestTwoRestartersRestartNothing(t *testing.T) {
	sys := spawning(t, func(p *peer) { t.Error("a successor was started") })
	a := start(t, Options{}, sys).serving()
	b := start(t, Options{}, sys).serving()
	for _, x := range []*run{a, b} {
		if err := x.r.Restart(t.Context()); !errors.Is(err, errTwoRestarters) {
			t.Errorf("got %v, want that there are two", err)
		}
	}
	b.r.Shutdown()
	b.drained()
	if got := sys.process.running(); got != 1 {
		t.Errorf("%d Restarters run, want the one that is left", got)
	}
	a.answers("old")
}

// A service that fails while a successor starts must not end that: it may be
// what is needed now. Without it this process stops for its own failure.
func TestFailureDuringARestart(t *testing.T) {
	onFire := errors.New("disk on fire")
	for name, tt := range map[string]struct {
		script func(*peer)
		good   bool
	}{
		"the successor serves": {takeOver, true},
		"the successor fails":  {fails, false},
	} {
		t.Run(name, func(t *testing.T) {
			begun, release := make(chan struct{}), make(chan struct{})
			x := start(t, Options{}, spawning(t, func(p *peer) { close(begun); <-release; tt.script(p) })).serving()
			result := make(chan error)
			go func() { result <- x.r.Restart(t.Context()) }()
			<-begun
			x.service.fail <- onFire
			until(t, "the Restarter knows", func() bool { return errors.Is(failure(x), onFire) })
			close(release)
			if err := <-result; (err == nil) != tt.good {
				t.Errorf("Restart: got %v", err)
			}
			if err := x.returned(); !errors.Is(err, onFire) {
				t.Errorf("Run: got %v, want the service's error", err)
			}
		})
	}
}

// failure returns what the loop has put down for Run to return.
func failure(x *run) error {
	err := errors.New("Run has returned")
	x.inLoop(func(l *loop) { err = l.result })
	return err
}

// A successor that had written the PID file already and then failed.
func TestPIDFileIsTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	x := start(t, Options{PIDFile: path}, spawning(t, func(p *peer) {
		p.manifest()
		p.ready()
		p.want(wire.TypeCommit, nil)
		if err := os.WriteFile(path, []byte("1\n"), 0o644); err != nil {
			p.fatalf("%v", err)
		}
		p.send(wire.TypeCommitted, wire.Committed{})
		p.want(wire.TypeGo, nil) // and dies
	})).serving()
	if err := x.r.Restart(t.Context()); err == nil {
		t.Error("got no error")
	}
	if !pidfile.Ours(path) {
		t.Error("the PID file still names the successor that failed")
	}
	x.answers("old")
}
