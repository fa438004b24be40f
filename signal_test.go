//go:build linux

package restart

import (
	"context"
	"errors"
	"net"
	"os"
	"runtime"
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

func (x *run) signal(sig os.Signal) {
	x.t.Helper()
	select {
	case x.r.signals <- sig:
	case <-time.After(patience):
		x.t.Fatalf("signal %v is not taken", sig)
	}
	until(x.t, "the loop has the signal", func() bool { return len(x.r.signals) == 0 })
	x.inLoop(func(*loop) {}) // it has been acted upon
}

// drained waits for a Run that was replaced or stopped in good order.
func (x *run) drained() {
	x.t.Helper()
	if err := x.returned(); err != nil {
		x.t.Errorf("Run: %v", err)
	}
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
	until(t, "the loop has the hammer", func() bool { return len(x.r.hammer) == 0 })
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
