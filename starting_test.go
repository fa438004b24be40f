//go:build linux

package restart

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// A successor whose options are wrong says so, and leaves no variable behind.
func TestBadOptionsOfASuccessor(t *testing.T) {
	o := newOldProcess(t)
	o.sendManifest()
	taken := false
	sys := o.system()
	inherit := sys.inherit
	sys.inherit = func() (*channel.Conn, error) { taken = true; return inherit() }
	_, err := newRestarter(Options{SettleTime: -1}, sys)
	if err == nil || !taken {
		t.Fatalf("got %v, channel taken: %v; want an error, and the channel taken", err, taken)
	}
	var note wire.Note
	f, _, rerr := o.recv()
	if rerr == nil {
		rerr = f.Decode(&note)
	}
	if rerr != nil || f.Type != wire.TypeNote || note.Text != err.Error() {
		t.Errorf("got %v %q, %v; want the note %q", f.Type, note.Text, rerr, err)
	}
	if _, _, err := o.recv(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
}

// A program may go on after an Add that failed. The listener that was to be
// there is not dropped for that: the predecessor keeps it, and all others.
func TestFailedAddDropsNothing(t *testing.T) {
	for name, settle := range map[string]time.Duration{"added before Run": 0, "may come later": time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			o := newOldProcess(t)
			o.sendManifest()
			x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
			x.r = fakeRestarter(t, Options{Logger: slogTo(x.log), SettleTime: settle}, o.system())
			if _, err := x.r.Add("web", "tcp", taken(t), x.service); err == nil {
				t.Fatal("Add: got no error for an address that is taken")
			}
			if _, err := x.r.Add("other", "tcp", "127.0.0.1:0", newTestService()); err != nil {
				t.Fatal(err)
			}
			x.run()
			inScript(func() {
				var note wire.Note
				o.want(wire.TypeNote, &note)
				o.want(wire.TypeFailed, &note)
				if !strings.Contains(note.Text, "address already in use") {
					o.fatalf("got %q, want why the listener could not be added", note.Text)
				}
			})
			if err := x.returned(); err == nil || !strings.Contains(err.Error(), `listener "web"`) {
				t.Errorf("Run: got %v, want which listener could not be added", err)
			}
			o.acceptsNothing()
		})
	}
}

// One that could be done without, or was made up for, stops nothing.
func TestFailedAddOfNothingInherited(t *testing.T) {
	o, x := prepareSuccessor(t, Options{})
	if _, err := x.r.Add("debug", "tcp", taken(t), newTestService()); err == nil {
		t.Fatal("Add: got no error for an address that is taken")
	}
	x.run()
	inScript(func() {
		o.want(wire.TypeNote, nil)
		o.toServing(wire.Go{})
	})
	x.reached(StateServing, 1)
	x.answers("new")
	x.r.Shutdown()
	if err := x.returned(); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// A cold start that cannot write its PID file does not serve.
func TestRunWithoutPIDFileFails(t *testing.T) {
	x := start(t, Options{PIDFile: "/proc/x.pid"}, spawning(t))
	if err := x.returned(); err == nil {
		t.Error("got no error")
	}
	if x.times(StateServing) != 0 {
		t.Error("it served")
	}
}

// Once the PID file names a process, whoever stops that means the service.
func TestStopAfterCommitIsNotLost(t *testing.T) {
	o, x := startSuccessor(t, Options{})
	inScript(func() { o.commit() })
	x.signal(syscall.SIGTERM)
	inScript(func() {
		o.send(wire.TypeGo, wire.Go{})
		o.want(wire.TypeServing, nil) // so the predecessor has drained
	})
	x.drained()
	if got := x.times(StateServing); got != 1 {
		t.Errorf("it was serving %d times, want once: the predecessor relies on it", got)
	}
}

// Between the first Accept and the moment when the predecessor hears of it nobody
// knows whose the files are.
func TestStopWhileTakingOver(t *testing.T) {
	pidFile := filepath.Join(t.TempDir(), "x.pid")
	o, x := startSuccessor(t, Options{PIDFile: pidFile})
	inScript(func() { o.commit() })
	x.inLoop(func(l *loop) {
		l.accept(stageAccepting)
		l.stop("a test")
	})
	inScript(func() {
		o.send(wire.TypeGo, wire.Go{})
		o.want(wire.TypeServing, nil)
	})
	x.drained()
	if got := x.times(StateServing); got != 1 {
		t.Errorf("it was serving %d times, want once: the predecessor relies on it", got)
	}
	if _, err := os.Stat(pidFile); err == nil {
		t.Error("the PID file is still there after the last")
	}
}

// What a process says of itself, and when.
func TestServingDrainingAlone(t *testing.T) {
	is := func(c <-chan struct{}) bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}
	o, x := startSuccessor(t, Options{})
	inScript(func() { o.commit() })
	if is(x.r.Serving()) || is(x.r.Alone()) || is(x.r.Draining()) {
		t.Error("serving, alone or draining before it has taken over")
	}
	inScript(func() { o.send(wire.TypeGo, wire.Go{}); o.want(wire.TypeServing, nil) })
	<-x.r.Serving()
	o.peer.die() // the channel: its Run has returned
	x.reached(StateServing, 1)
	x.inLoop(func(*loop) {})
	if is(x.r.Alone()) {
		t.Error("alone while the process of the predecessor lives")
	}
	o.life.Close() // the process
	<-x.r.Alone()
	x.answers("new")
	x.r.Shutdown()
	<-x.r.Draining()
	x.drained()
}

// A client may ask for a restart as soon as it is answered, which is before the
// predecessor has heard that this process serves.
func TestRestartAskedWhileTakingOver(t *testing.T) {
	for name, tt := range map[string]struct {
		then func(*oldProcess)
		want func(error) bool
	}{
		"it serves": {func(o *oldProcess) { o.send(wire.TypeGo, wire.Go{}); o.want(wire.TypeServing, nil) }, func(err error) bool {
			_, tried := errors.AsType[*RestartError](err)
			return tried // and there is no process in this test
		}},
		"it is not to": {func(o *oldProcess) { o.send(wire.TypeAbort, wire.Abort{}) }, func(err error) bool {
			return errors.Is(err, ErrStopped)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o, x := startSuccessor(t, Options{})
			inScript(func() { o.commit() })
			result := make(chan error, 1)
			x.inLoop(func(l *loop) {
				l.accept(stageAccepting)
				l.askRestart(t.Context(), func(err error) { result <- err })
			})
			select {
			case err := <-result:
				t.Errorf("got %v before it serves", err)
			default:
			}
			inScript(func() { tt.then(o) })
			if err := <-result; !tt.want(err) {
				t.Errorf("got %v", err)
			}
		})
	}
}
