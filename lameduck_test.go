//go:build linux

package restart

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/restart/internal/manager"
	"example.com/restart/internal/wire"
)

// A lameDuckService says when it is told.
type lameDuckService struct {
	*testService
	told chan struct{}
}

func newLameDuckService() lameDuckService {
	s := lameDuckService{newTestService(), make(chan struct{}, 10)}
	s.answer = "old"
	return s
}

func (s lameDuckService) BeginLameDuck() { s.told <- struct{}{} }

func (s lameDuckService) wantTold(t *testing.T) {
	t.Helper()
	select {
	case <-s.told:
	case <-time.After(patience):
		t.Fatal("the service is not told")
	}
}

// A watcher is a manager that is to hear of a stop.
type watcher struct {
	manager.Nobody
	heard *story
}

func (w watcher) Stopping()      { w.heard.add("stopping") }
func (w watcher) Replaced(int)   { w.heard.add("replaced") }
func (w watcher) GivingBack(int) { w.heard.add("giving back") }

// lameDuck starts a process that is a lame duck for an hour when it is to stop.
func lameDuck(t *testing.T, scripts ...func(*peer)) *run {
	t.Helper()
	return start(t, Options{LameDuck: time.Hour, HammerTime: -1}, spawning(t, scripts...)).serving()
}

// Whoever sends clients here learns of the stop at once, and the process serves
// on until the time is over.
func TestLameDuckServesOn(t *testing.T) {
	var heard story
	var events record
	sys := spawning(t)
	sys.manager = watcher{heard: &heard}
	svc := newLameDuckService()
	x := &run{t: t, log: newLogs(t), service: svc.testService, result: make(chan error, 1)}
	x.r = fakeRestarter(t, Options{LameDuck: time.Hour, Logger: slogTo(x.log)}, sys)
	x.r.OnEvent(events.note)
	addr, err := x.r.Add("web", "tcp", "127.0.0.1:0", svc)
	if err != nil {
		t.Fatal(err)
	}
	x.address = addr.String()
	x.run()
	x.serving()
	if !x.r.Status().Ready {
		t.Error("serving: not ready")
	}

	x.signal(syscall.SIGTERM)
	x.reached(StateLameDuck, 1)
	if x.r.Status().Ready {
		t.Error("lame duck: ready")
	}
	svc.wantTold(t)
	heard.want(t, "stopping")
	x.answers("old")
	if err := x.r.Restart(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("Restart: got %v, want ErrStopped", err)
	}
	// None of these begins the drain.
	x.signal(syscall.SIGHUP)
	x.signal(syscall.SIGTERM)
	x.settled()
	x.r.Shutdown()
	x.inLoop(func(*loop) {})
	select {
	case <-x.r.Draining():
		t.Error("it drains")
	default:
	}
	x.answers("old")

	x.signal(syscall.SIGINT)
	x.drained()
	if x.r.Status().Ready {
		t.Error("stopped: ready")
	}
	heard.want(t, "stopping")
	if d := cmp.Diff([]string{"serving", "stopping", "drained"}, events.all()); d != "" {
		t.Errorf("events (-want +got):\n%s", d)
	}
	if len(svc.told) > 0 {
		t.Error("the service is told twice")
	}
}

func TestLameDuckEndsByItself(t *testing.T) {
	x := start(t, Options{LameDuck: time.Nanosecond}, spawning(t)).serving()
	x.signal(syscall.SIGTERM)
	x.drained()
	if got := x.times(StateLameDuck); got != 1 {
		t.Errorf("was a lame duck %d times, want once", got)
	}
}

// Every real stop is announced.
func TestWhatBeginsALameDuck(t *testing.T) {
	for name, stop := range map[string]func(x *run, endContext func()){
		"SIGTERM":        func(x *run, _ func()) { x.signal(syscall.SIGTERM) },
		"SIGINT":         func(x *run, _ func()) { x.signal(syscall.SIGINT) },
		"Shutdown":       func(x *run, _ func()) { x.r.Shutdown() },
		"context":        func(_ *run, endContext func()) { endContext() },
		"failed service": func(x *run, _ func()) { x.service.fail <- errors.New("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
			x.r = fakeRestarter(t, Options{LameDuck: time.Hour, Logger: slogTo(x.log)}, spawning(t))
			for svcName, svc := range map[string]Service{"web": x.service, "other": newTestService()} {
				if _, err := x.r.Add(svcName, "tcp", "127.0.0.1:0", svc); err != nil {
					t.Fatal(err)
				}
			}
			ctx, endContext := context.WithCancel(t.Context())
			defer endContext()
			x.r.sys.entered = x.states.add
			go func() { x.result <- x.r.Run(ctx) }()
			x.reached(StateServing, 1)
			stop(x, endContext)
			x.reached(StateLameDuck, 1)
			x.r.Hammer()
			if err := x.returned(); (err != nil) != (name == "failed service") {
				t.Errorf("Run: %v", err)
			}
		})
	}
}

// The hammer ends all that is left, whoever swings it.
func TestHammerEndsALameDuckAndTheDrain(t *testing.T) {
	for name, swing := range map[string]func(*run){
		"SIGUSR2": func(x *run) { x.signal(syscall.SIGUSR2) },
		"Hammer":  func(x *run) { x.r.Hammer() },
	} {
		t.Run(name, func(t *testing.T) {
			x := lameDuck(t)
			x.hold()
			x.signal(syscall.SIGTERM)
			x.reached(StateLameDuck, 1)
			swing(x)
			x.drained()
			x.cut(1)
		})
	}
}

// Each further Ctrl-C ends one step, hook or not.
func TestInterruptsEndALameDuckThenTheDrain(t *testing.T) {
	x := lameDuck(t)
	x.hold()
	x.signal(syscall.SIGINT)
	x.reached(StateLameDuck, 1)
	x.signal(syscall.SIGINT)
	x.reached(StateDraining, 1)
	select {
	case err := <-x.result:
		t.Fatalf("Run returned %v while a connection was open", err)
	default:
	}
	x.signal(syscall.SIGINT)
	x.drained()
	x.cut(1)
}

func TestInterruptDuringTheFirstsHookEndsALameDuck(t *testing.T) {
	x := lameDuck(t)
	hook, entered, release := block()
	defer release()
	x.r.Before(syscall.SIGINT, hook)
	x.signal(syscall.SIGINT)
	<-entered
	x.signal(syscall.SIGINT)
	release()
	x.drained()
	if got := x.times(StateLameDuck); got != 1 {
		t.Errorf("was a lame duck %d times, want once", got)
	}
}

// Nobody is left whom it could send elsewhere.
func TestNoLameDuckWithoutServices(t *testing.T) {
	t.Run("before", func(t *testing.T) {
		x := lameDuck(t)
		x.service.fail <- nil
		x.drained()
		if got := x.times(StateLameDuck); got != 0 {
			t.Errorf("was a lame duck %d times, want never", got)
		}
	})
	t.Run("during", func(t *testing.T) {
		x := lameDuck(t)
		x.signal(syscall.SIGTERM)
		x.reached(StateLameDuck, 1)
		x.service.fail <- nil
		x.drained()
	})
}

// A service that comes late hears of it all the same.
func TestServiceAddedToALameDuckIsTold(t *testing.T) {
	x := lameDuck(t)
	x.signal(syscall.SIGTERM)
	x.reached(StateLameDuck, 1)
	late := newLameDuckService()
	addr, err := x.r.Add("late", "tcp", "127.0.0.1:0", late)
	if err != nil {
		t.Fatal(err)
	}
	late.wantTold(t)
	if got, err := ask(addr.String()); err != nil || got != "old" {
		t.Errorf("got %q, %v", got, err)
	}
	x.signal(syscall.SIGINT)
	x.drained()
}

// Service after service is asked for its clients only where nobody else serves
// them.
func TestReplacedProcessIsNoLameDuck(t *testing.T) {
	x := lameDuck(t, takeOver)
	c := x.hold()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.reached(StateDraining, 1)
	if !x.r.Status().Ready {
		t.Error("replaced: not ready")
	}
	if got := x.times(StateLameDuck); got != 0 {
		t.Errorf("was a lame duck %d times, want never", got)
	}
	c.Close()
	x.drained()
}

// A stop that comes during a restart ends the attempt first.
func TestStopDuringARestartBeginsALameDuck(t *testing.T) {
	begun := make(chan struct{})
	x := lameDuck(t, func(p *peer) {
		p.manifest()
		close(begun)
		p.want(wire.TypeAbort, nil)
	})
	x.signal(syscall.SIGHUP)
	<-begun
	x.signal(syscall.SIGTERM)
	x.reached(StateLameDuck, 1)
	x.answers("old")
	x.signal(syscall.SIGINT)
	x.drained()
}

// A check that reaches the successor first must not fail, and neither must one
// that reaches a successor which has to give back.
func TestSuccessorIsReadyWhenItAccepts(t *testing.T) {
	o, x := prepareSuccessor(t, Options{LameDuck: time.Hour})
	ready := make(chan bool, 1)
	look := func(c net.Conn) {
		ready <- x.r.Status().Ready
		c.Close()
	}
	x.service.accept.Store(&look)
	if x.r.Status().Ready {
		t.Error("new: ready")
	}
	client, err := net.Dial("tcp", o.address())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	x.run()
	inScript(func() {
		o.commit()
		o.send(wire.TypeGo, wire.Go{})
	})
	select {
	case r := <-ready:
		if !r {
			t.Error("not ready although it accepts")
		}
	case <-time.After(patience):
		t.Fatal("it does not accept")
	}
	inScript(func() {
		o.want(wire.TypeServing, nil)
		x.reached(StateServing, 1)
		o.send(wire.TypeAbort, wire.Abort{Reason: "too late"})
	})
	if err := x.returned(); err == nil {
		t.Error("Run: got nil, want that it was disowned")
	}
	if !x.r.Status().Ready {
		t.Error("not ready although the predecessor serves on")
	}
	if got := x.times(StateLameDuck); got != 0 {
		t.Errorf("was a lame duck %d times, want never", got)
	}
}

func TestLive(t *testing.T) {
	r := fakeRestarter(t, Options{}, fakeSystem())
	if err := r.Live(t.Context()); err != nil {
		t.Errorf("before Run: %v", err)
	}
	x := start(t, Options{}, spawning(t)).serving()
	if err := x.r.Live(t.Context()); err != nil {
		t.Errorf("serving: %v", err)
	}
	// A loop that hangs does not answer.
	hangs, goOn := make(chan struct{}), make(chan struct{})
	go x.inLoop(func(*loop) { close(hangs); <-goOn })
	<-hangs
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := x.r.Live(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("while the loop hangs: got %v, want the end of the context", err)
	}
	close(goOn)
	x.hold()
	x.signal(os.Interrupt)
	x.reached(StateDraining, 1)
	if err := x.r.Live(t.Context()); err != nil {
		t.Errorf("draining: %v", err)
	}
	x.r.Hammer()
	x.drained()
	if err := x.r.Live(t.Context()); !errors.Is(err, ErrStopped) {
		t.Errorf("after Run: got %v, want ErrStopped", err)
	}
}

// Nobody can be quicker than the change of Status: it comes before the services
// accept.
func TestSuccessorIsReadyBeforeItAccepts(t *testing.T) {
	o, x := startSuccessor(t, Options{})
	inScript(o.commit)
	ready := false
	x.inLoop(func(l *loop) {
		l.takeOver(false, false)
		ready = x.r.Status().Ready
	})
	if !ready {
		t.Error("not ready although it accepts")
	}
	inScript(o.die)
	x.reached(StateServing, 1)
}
