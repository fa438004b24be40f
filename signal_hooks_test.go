//go:build linux

package restart

import (
	"context"
	"errors"
	"os"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

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
