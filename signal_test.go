//go:build linux

package restart

import (
	"context"
	"errors"
	"net"
	"os"
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
	x.log.wait(t, 2, "to=serving")
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
			x.log.wait(t, 1, "vetoed", "configuration is invalid")
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
			x.log.wait(t, 1, "to=draining")
			x.signal(syscall.SIGINT)
			if first != syscall.SIGINT {
				x.log.wait(t, 2, "msg=\"restart: signal\"")
				x.signal(syscall.SIGINT)
			}
			x.drained()
			x.log.wait(t, 1, "closed by force", "cut=1")
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
	x.log.wait(t, 2, "msg=\"restart: signal\"")
	release()
	x.drained()
	x.log.wait(t, 1, "closed by force", "cut=1")
}

func TestHammerWhileServingOnlyLogs(t *testing.T) {
	x := start(t, Options{HammerTime: -1}, spawning(t)).serving()
	c := x.hold()
	x.signal(syscall.SIGUSR2)
	x.log.wait(t, 1, "hammer ignored", "user defined signal 2")
	x.r.Hammer()
	x.log.wait(t, 1, "hammer ignored", "why=Hammer")
	if _, err := c.Write([]byte("x")); err != nil {
		t.Error(err)
	}
	x.log.wait(t, 1, "to=serving")
	x.signal(syscall.SIGTERM)
	x.log.wait(t, 1, "to=draining")
	select {
	case err := <-x.result:
		t.Fatalf("Run returned %v while a connection was open", err)
	case <-time.After(20 * time.Millisecond): // nothing is waited for here
	}
	x.signal(syscall.SIGUSR2)
	x.drained()
	x.log.wait(t, 1, "closed by force", "cut=1")
}

// hold opens a connection whose handler ignores everything, the hammer's Close
// excepted.
func (x *run) hold() net.Conn {
	x.t.Helper()
	<-x.r.table.list()[0].ln.conns.whenEmpty() // of what was answered
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
