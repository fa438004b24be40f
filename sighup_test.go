//go:build linux

package restart

import (
	"context"
	"errors"
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/wire"
)

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
	x.log.wait(t, 4, "msg=\"restart: signal\"")
	close(release)
	x.log.wait(t, 3, "to=serving") // and no fourth process is started
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
		reply := make(chan bool)
		select {
		case x.r.inbox <- inLoop(func(l *loop) { reply <- l.signals.busy[syscall.SIGHUP] }):
			busy = <-reply
		case <-bound:
			x.t.Fatal("SIGHUP is busy for ever")
		}
	}
}

// inLoop runs in the owner's goroutine.
type inLoop func(*loop)

func (f inLoop) handle(l *loop) { f(l) }

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
			x.log.wait(t, 2, "msg=\"restart: signal\"")
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
	x.log.wait(t, 2, "msg=\"restart: signal\"")
	close(release)
	x.drained()
	if got, want := <-sent, syscall.SIGHUP; got != want {
		t.Errorf("got signal %v, want %v", got, want)
	}
}

// The successor does what its predecessor was asked for too late.
func TestAgainMakesTheSuccessorRestart(t *testing.T) {
	var s story
	o := newOldProcess(t)
	o.bequeath()
	x, err := o.newHeir(t, Options{})
	if err != nil {
		t.Fatal(err)
	}
	x.r.sys.spawn = spawning(t, takeOver).spawn
	x.r.Before(syscall.SIGHUP, s.tell("before", nil))
	x.run()
	inScript(func() { o.toServing(wire.Go{Again: true}) })
	x.drained()
	if got := x.log.count("to=restarting"); got != 1 {
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
		x.log.wait(t, 2, "msg=\"restart: signal\"")
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
		x.log.wait(t, 2, "msg=\"restart: signal\"")
		release()
		x.drained()
	})
}
