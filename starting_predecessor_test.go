//go:build linux

package restart

import (
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

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
