//go:build linux

package restart

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/wire"
)

// fails is a successor that gives up.
func fails(p *peer) {
	p.manifest()
	p.send(wire.TypeFailed, wire.Note{Text: "no"})
	p.want(wire.TypeAbort, nil)
}

// A story is what hooks and scripts tell, in order.
type story struct {
	mu    sync.Mutex
	lines []string
}

func (s *story) add(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, line)
}

func (s *story) want(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Equal(s.lines, want) {
		t.Errorf("got  %q\nwant %q", s.lines, want)
	}
}

// tell returns a hook that tells and returns err.
func (s *story) tell(line string, err error) Hook {
	return func(_ context.Context, sig os.Signal) error {
		s.add(line + " " + sig.String())
		return err
	}
}

// block returns a hook that waits, and what to close to end it; it says on
// entered that it has come.
func block() (hook Hook, entered chan struct{}, release func()) {
	entered, leave := make(chan struct{}, 10), make(chan struct{})
	return func(context.Context, os.Signal) error {
		entered <- struct{}{}
		<-leave
		return nil
	}, entered, sync.OnceFunc(func() { close(leave) })
}

func (x *run) signal(sig os.Signal) {
	x.t.Helper()
	select {
	case x.r.signals <- sig:
	case <-time.After(patience):
		x.t.Fatalf("signal %v is not taken", sig)
	}
	for len(x.r.signals) > 0 {
		runtime.Gosched()
	}
	x.inLoop(func(*loop) {}) // it has been acted upon
}

// drained waits for a Run that was replaced or stopped in good order.
func (x *run) drained() {
	x.t.Helper()
	if err := x.returned(); err != nil {
		x.t.Errorf("Run: %v", err)
	}
}

func TestHooksRunAroundARestart(t *testing.T) {
	var s story
	x := start(t, Options{}, spawning(t, fails, takeOver)).serving()
	x.r.Before(syscall.SIGHUP, s.tell("before", nil))
	x.r.Before(syscall.SIGHUP, s.tell("before too", nil))
	x.r.After(syscall.SIGHUP, func(context.Context, os.Signal) error {
		if err := x.r.Status().LastError; err != nil {
			s.add("failed")
			return nil
		}
		s.add("replaced")
		return errors.New("an After hook's error is logged only")
	})
	x.signal(syscall.SIGHUP)
	x.reached(StateServing, 2)
	x.signal(syscall.SIGHUP)
	x.drained()
	s.want(t, "before hangup", "before too hangup", "failed", "before hangup", "before too hangup", "replaced")
}

func TestBeforeHookVetoes(t *testing.T) {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			var s story
			x := start(t, Options{}, spawning(t)).serving()
			x.r.Before(sig, s.tell("before", errors.New("configuration is invalid")))
			x.r.Before(sig, s.tell("not reached", nil))
			x.r.After(sig, s.tell("not reached", nil))
			x.signal(sig)
			x.settled()
			x.answers("old")
			if got := x.r.Status().State; got != StateServing {
				t.Errorf("got %v, want serving", got)
			}
			x.r.Shutdown()
			x.drained()
			s.want(t, "before "+sig.String())
		})
	}
}

func TestHookOfASignalThatDoesNothing(t *testing.T) {
	var s story
	done := make(chan struct{})
	x := start(t, Options{}, spawning(t)).serving()
	x.r.Before(syscall.SIGUSR1, s.tell("before", nil))
	x.r.After(syscall.SIGUSR1, func(context.Context, os.Signal) error { close(done); return nil })
	x.signal(syscall.SIGUSR1)
	<-done
	x.answers("old")
	s.want(t, "before user defined signal 1")
}

func TestSecondInterruptHammers(t *testing.T) {
	for _, first := range []os.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(first.String(), func(t *testing.T) {
			x := start(t, Options{HammerTime: -1}, spawning(t)).serving()
			x.hold()
			x.signal(first)
			x.reached(StateDraining, 1)
			x.signal(syscall.SIGINT)
			if first != syscall.SIGINT {
				x.signal(syscall.SIGINT)
			}
			x.drained()
			x.cut(1)
		})
	}
}

// Whoever presses Ctrl-C twice means it, hook or not.
func TestSecondInterruptDuringTheFirstsHookHammers(t *testing.T) {
	x := start(t, Options{HammerTime: -1}, spawning(t)).serving()
	x.hold()
	hook, entered, release := block()
	defer release()
	x.r.Before(syscall.SIGINT, hook)
	x.signal(syscall.SIGINT)
	<-entered
	x.signal(syscall.SIGINT)
	release()
	x.drained()
	x.cut(1)
}

func TestHammerWhileServingOnlyLogs(t *testing.T) {
	x := start(t, Options{HammerTime: -1}, spawning(t)).serving()
	c := x.hold()
	x.signal(syscall.SIGUSR2)
	x.r.Hammer()
	for len(x.r.hammer) > 0 {
		runtime.Gosched()
	}
	x.inLoop(func(*loop) {})
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	x.reached(StateServing, 1)
	x.signal(syscall.SIGTERM)
	x.reached(StateDraining, 1)
	select {
	case err := <-x.result:
		t.Fatalf("Run returned %v while a connection was open", err)
	case <-time.After(20 * time.Millisecond): // nothing is waited for here
	}
	x.signal(syscall.SIGUSR2)
	x.drained()
	x.cut(1)
}

// hold opens a connection whose handler ignores everything, the hammer's Close
// excepted.
func (x *run) hold() net.Conn {
	x.t.Helper()
	<-x.r.table.list()[0].ln.Conns().WhenEmpty() // of what was answered
	accepted := make(chan struct{})
	ignore := func(c net.Conn) {
		close(accepted)
		for {
			if _, err := c.Read(make([]byte, 10)); err != nil {
				return
			}
		}
	}
	x.service.accept.Store(&ignore)
	c, err := net.DialTimeout("tcp", x.address, patience)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	<-accepted
	return c
}

func TestEverySignalIsTakenThatHasAHook(t *testing.T) {
	var mu sync.Mutex
	var taken []os.Signal
	sys := spawning(t)
	sys.notify = func(_ chan<- os.Signal, sigs ...os.Signal) {
		mu.Lock()
		defer mu.Unlock()
		taken = append(taken, sigs...)
	}
	has := func(sig os.Signal) bool {
		mu.Lock()
		defer mu.Unlock()
		return slices.Contains(taken, sig)
	}
	x := start(t, Options{}, sys).serving()
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR2} {
		if !has(sig) {
			t.Errorf("%v is not taken", sig)
		}
	}
	for _, sig := range []os.Signal{syscall.SIGTSTP, syscall.SIGUSR1, syscall.SIGWINCH} {
		if has(sig) {
			t.Errorf("%v is taken without a hook", sig)
		}
		x.r.After(sig, func(context.Context, os.Signal) error { return nil })
		if !has(sig) {
			t.Errorf("%v is not taken for its hook", sig)
		}
	}
}

// Several SIGHUPs during one that fails are one more.
func TestSIGHUPDuringAFailingRestartTriesOnceMore(t *testing.T) {
	var s story
	begun, release := make(chan struct{}), make(chan struct{})
	x := start(t, Options{}, spawning(t,
		func(p *peer) { close(begun); <-release; fails(p) },
		func(p *peer) { s.add("once more"); fails(p) },
	)).serving()
	x.r.Before(syscall.SIGHUP, s.tell("before", nil))
	x.signal(syscall.SIGHUP)
	<-begun
	for range 3 {
		x.signal(syscall.SIGHUP)
	}
	close(release)
	x.reached(StateServing, 3)
	x.settled()
	s.want(t, "before hangup", "before hangup", "once more")
}

// settled waits until no signal is being handled.
func (x *run) settled() {
	x.t.Helper()
	done := make(chan struct{})
	x.r.After(syscall.SIGWINCH, func(context.Context, os.Signal) error { close(done); return nil })
	x.signal(syscall.SIGWINCH)
	<-done
	bound := time.After(patience)
	for busy := true; busy; {
		busy = false
		x.inLoop(func(l *loop) { busy = len(l.actions.running) > 0 })
		select {
		case <-bound:
			x.t.Fatal("a signal is being handled for ever")
		default:
			runtime.Gosched()
		}
	}
}

func TestSIGHUPDuringARestartReachesTheSuccessor(t *testing.T) {
	for _, again := range []bool{false, true} {
		begun, release := make(chan struct{}), make(chan struct{})
		var successor *peer
		x := start(t, Options{}, spawning(t, func(p *peer) {
			successor = p
			close(begun)
			<-release
			p.manifest()
			p.ready()
			p.want(wire.TypeCommit, nil)
			p.send(wire.TypeCommitted, wire.Committed{})
			var g wire.Go
			p.want(wire.TypeGo, &g)
			if g.Again != again {
				p.fatalf("got again %v, want %v", g.Again, again)
			}
			p.send(wire.TypeServing, wire.Serving{})
		})).serving()
		x.signal(syscall.SIGHUP)
		<-begun
		if again {
			x.signal(syscall.SIGHUP)
		}
		close(release)
		x.drained()
		select {
		case sig := <-successor.signals:
			t.Errorf("again %v: it was sent %v as well, and would restart twice", again, sig)
		default:
		}
	}
}

// "Go" cannot say it any more: the signal itself is passed on.
func TestSIGHUPAfterGoReachesTheSuccessor(t *testing.T) {
	gone, release := make(chan struct{}), make(chan struct{})
	sent := make(chan os.Signal, 1)
	x := start(t, Options{}, spawning(t, func(p *peer) {
		toGo(p)
		close(gone)
		<-release
		p.send(wire.TypeServing, wire.Serving{})
		sent <- <-p.signals
	})).serving()
	x.signal(syscall.SIGHUP)
	<-gone
	x.signal(syscall.SIGHUP)
	close(release)
	x.drained()
	if got, want := <-sent, syscall.SIGHUP; got != want {
		t.Errorf("got signal %v, want %v", got, want)
	}
}

// The successor does what its predecessor was asked for too late.
func TestAgainMakesTheSuccessorRestart(t *testing.T) {
	var s story
	o, x := prepareSuccessor(t, Options{})
	x.r.sys.start = spawning(t, takeOver).start
	x.r.Before(syscall.SIGHUP, s.tell("before", nil))
	x.run()
	inScript(func() { o.toServing(wire.Go{Again: true}) })
	x.drained()
	if got := x.times(StateRestarting); got != 1 {
		t.Errorf("got %d restarts, want 1", got)
	}
	s.want(t, "before hangup") // who checks the configuration is asked here too
}

// A SIGHUP while hooks run is not lost, whether or not what they belong to has
// come to a restart.
func TestSIGHUPDuringHooksIsNotLost(t *testing.T) {
	t.Run("after", func(t *testing.T) {
		x := start(t, Options{}, spawning(t, fails, takeOver)).serving()
		hook, entered, release := block()
		defer release()
		x.r.After(syscall.SIGHUP, hook)
		x.signal(syscall.SIGHUP)
		<-entered
		x.signal(syscall.SIGHUP)
		release()
		x.drained()
	})
	t.Run("before, vetoed", func(t *testing.T) {
		x := start(t, Options{}, spawning(t, takeOver)).serving()
		hook, entered, release := block()
		defer release()
		veto := errors.New("configuration is being written")
		x.r.Before(syscall.SIGHUP, hook)
		x.r.Before(syscall.SIGHUP, func(context.Context, os.Signal) (err error) {
			err, veto = veto, nil
			return err
		})
		x.signal(syscall.SIGHUP)
		<-entered
		x.signal(syscall.SIGHUP)
		release()
		x.drained()
	})
}

// The hooks of SIGHUP are the check of a new configuration: every restart runs
// them, and whoever asked for it gets the veto.
func TestRestartRunsTheHooksOfSIGHUP(t *testing.T) {
	var s story
	x := start(t, Options{}, spawning(t, takeOver)).serving()
	invalid := errors.New("configuration is invalid")
	veto := invalid
	x.r.Before(syscall.SIGHUP, s.tell("before", nil))
	x.r.Before(syscall.SIGHUP, func(context.Context, os.Signal) error { return veto })
	x.r.After(syscall.SIGHUP, s.tell("after", nil))
	err := x.r.Restart(t.Context())
	re, ok := errors.AsType[*RestartError](err)
	if !ok || re.Phase != PhaseHooks || !errors.Is(err, invalid) {
		t.Errorf("got %v, want the veto", err)
	}
	x.settled()
	if st := x.r.Status(); st.State != StateServing || !errors.Is(st.LastError, invalid) {
		t.Errorf("got %v, %v; want serving and the veto", st.State, st.LastError)
	}
	veto = nil
	if err := x.r.Restart(t.Context()); err != nil {
		t.Error(err)
	}
	x.drained()
	s.want(t, "before hangup", "before hangup", "after hangup")
}

// The end of Restart's context is the end of its hooks' context.
func TestHooksOfRestartGetItsContext(t *testing.T) {
	x := start(t, Options{}, spawning(t)).serving()
	ctx, cancel := context.WithCancel(t.Context())
	x.r.Before(syscall.SIGHUP, func(ctx context.Context, _ os.Signal) error {
		cancel()
		<-ctx.Done()
		return ctx.Err()
	})
	if err := x.r.Restart(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's end", err)
	}
}

// While hooks run, another Restart is refused; while After hooks run it waits.
func TestRestartDuringHooks(t *testing.T) {
	x := start(t, Options{}, spawning(t, fails, fails)).serving()
	before, entered, release := block()
	defer release()
	x.r.Before(syscall.SIGHUP, before)
	first := make(chan error, 1)
	go func() { first <- x.r.Restart(t.Context()) }()
	<-entered
	if err := x.r.Restart(t.Context()); !errors.Is(err, ErrRestarting) {
		t.Errorf("during a Before hook: got %v, want ErrRestarting", err)
	}
	after, afterEntered, afterRelease := block()
	defer afterRelease()
	x.r.After(syscall.SIGHUP, after)
	release()
	if err := <-first; err == nil {
		t.Error("got no error of a successor that fails")
	}
	<-afterEntered
	second := make(chan error, 1)
	go func() { second <- x.r.Restart(t.Context()) }()
	x.pending()
	afterRelease()
	if err := <-second; err == nil || errors.Is(err, ErrRestarting) {
		t.Errorf("during an After hook: got %v, want that it was tried", err)
	}
	x.settled()
}

// pending waits until a Restart waits for hooks.
func (x *run) pending() {
	x.t.Helper()
	bound := time.Now().Add(patience)
	for waits := false; !waits; {
		x.inLoop(func(l *loop) { waits = len(l.actions.pending[syscall.SIGHUP]) > 0 })
		if time.Now().After(bound) {
			x.t.Fatal("Restart does not wait")
		}
	}
}

// A hook that can never run is an error, not silence.
func TestHooksThatCanNeverRun(t *testing.T) {
	hook := func(context.Context, os.Signal) error { return nil }
	x := start(t, Options{}, spawning(t)).serving()
	for name, add := range map[string]func() error{
		"nil":     func() error { return x.r.Before(syscall.SIGHUP, nil) },
		"SIGKILL": func() error { return x.r.Before(syscall.SIGKILL, hook) },
		"SIGSTOP": func() error { return x.r.After(syscall.SIGSTOP, hook) },
		"a Restarter that does not run": func() error {
			return fakeRestarter(t, Options{}, x.r.sys).Before(syscall.SIGHUP, hook)
		},
	} {
		if err := add(); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := x.r.Before(syscall.SIGHUP, hook); err != nil {
		t.Errorf("the one that runs: %v", err)
	}
	x.r.Shutdown()
	x.drained()
	if err := x.r.Before(syscall.SIGHUP, hook); !errors.Is(err, ErrStopped) {
		t.Errorf("after Run: got %v, want ErrStopped", err)
	}
}

// The other way round: the hooks are there first, on the Restarter that will not
// run.
func TestRunRefusesHooksOfAnother(t *testing.T) {
	sys := spawning(t)
	hooked := fakeRestarter(t, Options{}, sys)
	if err := hooked.Before(syscall.SIGHUP, func(context.Context, os.Signal) error { return nil }); err != nil {
		t.Fatal(err)
	}
	r := fakeRestarter(t, Options{}, sys)
	if _, err := r.Add("web", "tcp", "127.0.0.1:0", newTestService()); err != nil {
		t.Fatal(err)
	}
	if err := r.Run(t.Context()); !errors.Is(err, errNeverRun) {
		t.Errorf("got %v, want that the hooks would never run", err)
	}
	for _, s := range r.table.list() {
		s.close()
	}
}
