//go:build linux

package restart

import (
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/wire"
)

// steps of a predecessor, up to each of which it lives.
var steps = []struct {
	name  string
	first func(*oldProcess) // before the successor is made
	then  func(*oldProcess) // while it runs
}{
	{"before hello", func(o *oldProcess) {}, nil},
	{"after hello", func(o *oldProcess) { o.hello() }, nil},
	{"after the files", func(o *oldProcess) { o.hello(); o.sendFiles() }, nil},
	{"after start", func(o *oldProcess) { o.sendManifest() }, nil},
	{"after ready", func(o *oldProcess) { o.sendManifest() }, func(o *oldProcess) { o.wantReady() }},
	{"after commit", func(o *oldProcess) { o.sendManifest() }, func(o *oldProcess) {
		o.wantReady()
		o.send(wire.TypeCommit, wire.Commit{})
	}},
	{"after committed", func(o *oldProcess) { o.sendManifest() }, func(o *oldProcess) { o.commit() }},
	{"after go", func(o *oldProcess) { o.sendManifest() }, func(o *oldProcess) {
		o.commit()
		o.send(wire.TypeGo, wire.Go{})
	}},
	{"after serving", func(o *oldProcess) { o.sendManifest() }, func(o *oldProcess) { o.toServing(wire.Go{}) }},
}

// That nobody serves must not come out of any order of deaths.
func TestPredecessorDies(t *testing.T) {
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			o := newOldProcess(t)
			step.first(o)
			if step.then == nil {
				o.die()
			}
			pidFile := filepath.Join(t.TempDir(), "x.pid")
			x, err := o.inherit(t, Options{PIDFile: pidFile})
			if err != nil {
				t.Fatal(err)
			}
			if step.then != nil {
				inScript(func() { step.then(o) })
				o.die()
			}
			x.reached(StateServing, 1)
			x.answers("new")
			if !pidfile.Ours(pidFile) {
				t.Error("the PID file is not ours")
			}
			x.r.Shutdown()
			if err := x.returned(); err != nil {
				t.Errorf("Run: %v", err)
			}
			if _, err := os.Stat(pidFile); err == nil {
				t.Error("the PID file stays")
			}
		})
	}
}

// inScript runs a part of a script in this goroutine's place, so that a script
// that fails ends only itself.
func inScript(part func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		part()
	}()
	<-done
}

// A predecessor that gives up serves on, so its successor must not.
func TestPredecessorAborts(t *testing.T) {
	for _, step := range steps[1:7] {
		t.Run(step.name, func(t *testing.T) {
			o := newOldProcess(t)
			notTakenOver(t, o, step.first, step.then, func() { o.send(wire.TypeAbort, wire.Abort{Reason: "too late"}) }, "too late")
		})
	}
}

// A predecessor that talks nonsense is not dead: it may serve on.
func TestPredecessorTalksNonsense(t *testing.T) {
	for _, step := range steps[:7] {
		for name, packet := range map[string]string{
			"garbage":       "GET / HTTP/1.1\r\n\r\n",
			"wrong version": "RSTT\x00\x02\x00\x0c\x00\x00\x00\x02{}",
			"cut off":       "RSTT\x00\x01\x00\x0c\x00\x00\x00\x09{}",
		} {
			if name == "cut off" && !cutOffShows {
				continue
			}
			t.Run(step.name+", "+name, func(t *testing.T) {
				o := newOldProcess(t)
				notTakenOver(t, o, step.first, step.then, func() { o.raw(packet) }, "")
			})
		}
		t.Run(step.name+", out of turn", func(t *testing.T) {
			o := newOldProcess(t)
			notTakenOver(t, o, step.first, step.then, func() { o.send(wire.TypeServing, wire.Serving{}) }, "serving")
		})
	}
	for _, step := range steps[3:6] {
		t.Run(step.name+", go without commit", func(t *testing.T) {
			if step.name == "after commit" {
				return // it may have been committed by then
			}
			o := newOldProcess(t)
			notTakenOver(t, o, step.first, step.then, func() { o.send(wire.TypeGo, wire.Go{}) }, "go")
		})
	}
}

// notTakenOver leads a successor to a step, lets the predecessor say something
// and checks that the successor ends without having accepted.
func notTakenOver(t *testing.T, o *oldProcess, first, then func(*oldProcess), say func(), want string) {
	t.Helper()
	first(o)
	if then == nil {
		say()
	}
	x, err := o.inherit(t, Options{})
	if err == nil {
		if then != nil {
			inScript(func() { then(o); say() })
		}
		x.reachedAny(1, StateServing, StateDraining)
		if x.times(StateServing) == 0 {
			err = x.returned()
		}
		if got := x.times(StateServing); got != 0 {
			t.Error("it took over")
		}
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want an error with %q", err, want)
	}
	o.acceptsNothing()
}

// A newer predecessor may say what this version does not know.
func TestUnknownMessagesAreSkipped(t *testing.T) {
	o := newOldProcess(t)
	unknown := func() { o.send(wire.Type(500), map[string]any{"x": 1}) }
	unknown()
	o.hello()
	unknown()
	o.sendFiles()
	unknown()
	o.send(wire.TypeStart, map[string]any{"colour": "red"})
	unknown()
	x, err := o.inherit(t, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inScript(func() {
		o.wantReady()
		unknown()
		o.send(wire.TypeCommit, wire.Commit{})
		unknown()
		o.want(wire.TypeCommitted, nil)
		unknown()
		o.send(wire.TypeGo, wire.Go{})
		o.want(wire.TypeServing, nil)
		unknown()
	})
	x.reached(StateServing, 1)
	x.answers("new")
	if got, want := x.r.Status().Generation, 4; got != want {
		t.Errorf("got generation %d, want %d", got, want)
	}
}

// What New must not believe.
func TestManifestIsChecked(t *testing.T) {
	for name, tt := range map[string]struct {
		say  func(*oldProcess)
		want string
	}{
		"no greeting":       {func(o *oldProcess) { o.sendFiles() }, "want hello"},
		"another's channel": {func(o *oldProcess) { o.send(wire.TypeHello, wire.Hello{PID: 1, Generation: 1}) }, "belongs to"},
		"no generation":     {func(o *oldProcess) { o.send(wire.TypeHello, wire.Hello{PID: os.Getpid()}) }, "generation 0"},
		"a file too few": {func(o *oldProcess) {
			o.hello()
			o.send(wire.TypeFiles, wire.Files{Files: []wire.File{o.desc(), o.desc()}}, o.pipe)
		}, "2 descriptors announced, 1 received"},
		"a file too many": {func(o *oldProcess) {
			o.hello()
			o.send(wire.TypeFiles, wire.Files{}, o.pipe)
		}, "0 descriptors announced, 1 received"},
		"hello twice": {func(o *oldProcess) { o.hello(); o.hello() }, "unexpected message hello"},
		"not JSON":    {func(o *oldProcess) { o.hello(); o.raw("RSTT\x00\x01\x00\x02\x00\x00\x00\x01{") }, "decode files"},
		"not the socket it says": {func(o *oldProcess) {
			o.hello()
			o.send(wire.TypeFiles, wire.Files{Files: []wire.File{o.desc()}}, o.pipe)
			o.send(wire.TypeStart, wire.Start{})
		}, "not a socket"},
	} {
		if name == "another's channel" && !makerIsTold {
			continue
		}
		t.Run(name, func(t *testing.T) {
			o := newOldProcess(t)
			tt.say(o)
			x, err := o.newSuccessor(t, Options{})
			if err == nil {
				x.run()
				t.Fatal("it was believed")
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
			o.acceptsNothing()
		})
	}
}

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

// A successor that cannot understand its predecessor any more closes the
// channel: connections that were on their way would wait for ever otherwise,
// and the predecessor keeps them now.
func TestNonsenseAfterServingClosesTheChannel(t *testing.T) {
	o, x := startSuccessor(t, Options{})
	inScript(func() {
		o.toServing(wire.Go{})
		o.raw("GET / HTTP/1.1\r\n\r\n")
		o.want(wire.TypeFailed, nil) // it has taken nothing that it has not answered for
		if _, _, err := o.recv(); err != io.EOF {
			t.Errorf("got %v, want EOF", err)
		}
	})
	x.answers("new")
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

// The predecessor may give up on a successor that serves already, because it has
// not heard so. That successor ends, and leaves the files to the predecessor.
func TestAbortAfterServing(t *testing.T) {
	dir := t.TempDir()
	path, pidFile := filepath.Join(dir, "x.sock"), filepath.Join(dir, "x.pid")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	ln.SetUnlinkOnClose(false)
	o := newOldProcess(t)
	o.hello()
	f := dup(t, ln)
	id := sockaddr.PathOf(path)
	o.send(wire.TypeFiles, wire.Files{Files: []wire.File{{
		Kind: wire.KindListener, Name: "web", Network: "unix", Address: path, Local: path,
		Path: id.Name, Dev: id.Dev, Ino: id.Ino,
	}}}, f)
	f.Close()
	o.send(wire.TypeStart, wire.Start{})

	x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
	if x.r, err = newRestarter(Options{Logger: slogTo(x.log), PIDFile: pidFile}, o.system()); err != nil {
		t.Fatal(err)
	}
	if _, err := x.r.Add("web", "unix", path, x.service); err != nil {
		t.Fatal(err)
	}
	x.run()
	inScript(func() {
		o.toServing(wire.Go{})
		o.send(wire.TypeAbort, wire.Abort{Reason: "too late"})
	})
	if err := x.returned(); err == nil || !strings.Contains(err.Error(), "too late") {
		t.Errorf("Run: got %v, want the predecessor's reason", err)
	}
	for _, file := range []string{path, pidFile} {
		if _, err := os.Stat(file); err != nil {
			t.Errorf("%v: it is the predecessor's", err)
		}
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
