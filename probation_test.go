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

	"example.com/restart/internal/manager"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/wire"
)

// onProbation follows the handshake up to serving and then does what follows.
func onProbation(then func(*peer)) func(*peer) {
	return claimingOnProbation((*peer).claimed, then)
}

// claimingOnProbation claims what the first function says.
func claimingOnProbation(claimed func(*peer) []string, then func(*peer)) func(*peer) {
	return func(p *peer) {
		p.manifest()
		p.send(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: claimed(p), Probation: true})
		p.want(wire.TypeCommit, nil)
		p.send(wire.TypeCommitted, wire.Committed{})
		var g wire.Go
		p.want(wire.TypeGo, &g)
		if !g.Probation {
			p.fatalf("script: got %+v, want a probation", g)
		}
		p.send(wire.TypeServing, wire.Serving{})
		then(p)
	}
}

// EndProbation lets the time of a probation be over, if there is one.
func EndProbation(r *Restarter) {
	r.mail.post(inLoop(func(l *loop) {
		if l.probation != nil {
			l.probation.timer.Reset(0)
		}
	}))
}

// untilLeft receives whatever comes, until the predecessor has left.
func untilLeft(p *peer) {
	for {
		if _, _, err := p.recv(); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				p.fatalf("script: got %v, want the predecessor's end", err)
			}
			return
		}
	}
}

// A bad release is undone: the old process answers again, on the connections
// that it has kept all the time and on new ones.
func TestUndone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	for name, tt := range map[string]struct {
		then func(*peer, <-chan struct{})
		undo func(*run)
		want string
	}{
		"it dies": {func(p *peer, ready <-chan struct{}) {
			<-ready
		}, nil, "it died (exit status 7)"},
		"it gives back": {func(p *peer, ready <-chan struct{}) {
			<-ready
			p.send(wire.TypeGiveBack, wire.GiveBack{Reason: "too slow"})
			p.want(wire.TypeAbort, nil)
		}, nil, "it gave back: too slow"},
		"Undo in the old process": {func(p *peer, _ <-chan struct{}) {
			p.want(wire.TypeAbort, nil)
		}, func(x *run) {
			if err := x.r.Undo("the graphs are red"); err != nil {
				x.t.Error(err)
			}
		}, "Undo was called: the graphs are red"},
	} {
		t.Run(name, func(t *testing.T) {
			ready, written := make(chan struct{}), make(chan struct{})
			sys := spawning(t, onProbation(func(p *peer) {
				// As a real one would have by now.
				err := os.WriteFile(path, []byte("1\n"), 0o644)
				close(written)
				if err != nil {
					p.fatalf("%v", err)
				}
				tt.then(p, ready)
			}), takeOver)
			x := start(t, Options{Probation: time.Hour, PIDFile: path}, sys).serving()
			undone := make(chan Event, 1)
			x.r.OnEvent(func(e Event) {
				if e.Kind == EventUndone {
					undone <- e
				}
			})
			kept, c := keep(x)
			if err := x.r.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			x.reached(StateProbation, 1)
			<-written
			queued, err := net.DialTimeout("tcp", x.address, patience)
			if err != nil {
				t.Fatal(err)
			}
			defer queued.Close()
			kept()
			if err := x.r.Restart(t.Context()); !errors.Is(err, ErrStopped) {
				t.Errorf("Restart of the old process: got %v, want ErrStopped", err)
			}
			close(ready)
			if tt.undo != nil {
				tt.undo(x)
			}
			x.reached(StateServing, 2)
			e := <-undone
			re, ok := errors.AsType[*RestartError](e.Err)
			if !ok || re.Phase != PhaseProbation || re.PID != os.Getpid() || !strings.Contains(re.Error(), tt.want) {
				t.Errorf("got %v, want %q", e.Err, tt.want)
			}
			if st := x.r.Status(); st.LastError != e.Err || st.Successor != 0 {
				t.Errorf("got %+v", st)
			}
			if !pidfile.Ours(path) {
				t.Error("the PID file still names the successor")
			}
			kept()
			if got, err := askOn(queued); err != nil || got != "old" {
				t.Errorf("a client in the queue: got %q, %v", got, err)
			}
			x.answers("old")
			c.Close()
			if err := x.r.Restart(t.Context()); err != nil { // an older one: no probation
				t.Errorf("the next restart: %v", err)
			}
			x.drained()
		})
	}
}

// keep opens a connection that the service answers again and again, and returns
// a function that checks the next answer.
func keep(x *run) (check func(), c net.Conn) {
	x.t.Helper()
	answers := func(c net.Conn) {
		defer c.Close()
		buf := make([]byte, 1)
		for {
			if _, err := c.Read(buf); err != nil {
				return
			}
			c.Write(buf)
		}
	}
	x.service.accept.Store(&answers)
	c, err := net.DialTimeout("tcp", x.address, patience)
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	check = func() {
		x.t.Helper()
		buf := []byte("x")
		if _, err := c.Write(buf); err != nil {
			x.t.Error(err)
		} else if _, err := io.ReadFull(c, buf); err != nil {
			x.t.Errorf("the connection that was kept: %v", err)
		}
	}
	check()
	x.service.accept.Store(nil)
	return check, c
}

func askOn(c net.Conn) (string, error) {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write([]byte("?\n")); err != nil {
		return "", err
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	return strings.TrimSpace(string(buf[:n])), err
}

// A listener that the successor has dropped goes on in the probation and after it.
func TestUndoneWithADroppedListener(t *testing.T) {
	nothing := func(*peer) []string { return nil }
	x := start(t, Options{Probation: time.Hour}, spawning(t, claimingOnProbation(nothing, untilLeft))).serving()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.answers("old")
	if err := x.r.Undo("the test wants it"); err != nil {
		t.Fatal(err)
	}
	x.reached(StateServing, 2)
	x.answers("old")
}

// What ends a probation well: the successor hears of it, and the drain begins.
func TestProbationEnds(t *testing.T) {
	for name, tt := range map[string]struct {
		within time.Duration
		then   func(*peer)
		end    func(*run)
	}{
		"the time is over":       {time.Millisecond, func(*peer) {}, func(*run) {}},
		"the successor asks":     {time.Hour, func(p *peer) { p.send(wire.TypeConfirm, wire.Confirm{}) }, func(*run) {}},
		"the old process stops":  {time.Hour, func(*peer) {}, func(x *run) { x.signal(syscall.SIGTERM) }},
		"a service of it fails":  {time.Hour, func(*peer) {}, func(x *run) { x.service.fail <- errors.New("on fire") }},
		"a service of it ends":   {time.Hour, func(*peer) {}, func(x *run) { x.service.fail <- nil }},
		"the program calls stop": {time.Hour, func(*peer) {}, func(x *run) { x.r.Shutdown() }},
	} {
		t.Run(name, func(t *testing.T) {
			heard := make(chan struct{})
			x := start(t, Options{Probation: tt.within}, spawning(t, onProbation(func(p *peer) {
				defer close(heard)
				tt.then(p)
				p.want(wire.TypeConfirmed, nil)
			}))).serving()
			if err := x.r.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			tt.end(x)
			if err := x.returned(); (err != nil) != (name == "a service of it fails") {
				t.Errorf("Run: %v", err)
			}
			<-heard
			if got := x.times(StateProbation); got != 1 {
				t.Errorf("%d probations, want 1", got)
			}
		})
	}
}

// A successor of an older version does not know how to give back.
func TestOlderSuccessorHasNoProbation(t *testing.T) {
	x := start(t, Options{Probation: time.Hour}, spawning(t, takeOver)).serving()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.drained()
	if got := x.times(StateProbation); got != 0 {
		t.Errorf("%d probations, want none", got)
	}
}

// A managerLog notes what the manager is told.
type managerLog struct {
	manager.Nobody
	story   *story
	replace error
}

func (m managerLog) Serving(int)         { m.story.add("serving") }
func (m managerLog) OnProbation(int)     { m.story.add("on probation") }
func (m managerLog) Replacing(int) error { m.story.add("replacing"); return m.replace }
func (m managerLog) Replaced(int)        { m.story.add("replaced") }
func (m managerLog) Failed(error)        { m.story.add("failed") }

// The manager watches the old process until it has let go. If the manager cannot
// be told of the successor, that must not be what is left.
func TestManagerOfAProbation(t *testing.T) {
	for name, tt := range map[string]struct {
		replace error
		want    string
	}{
		"good":         {nil, "serving, on probation, replacing, replaced"},
		"unreachable ": {errors.New("no socket"), "serving, on probation, replacing, failed"},
	} {
		t.Run(name, func(t *testing.T) {
			var s story
			sys := spawning(t, onProbation(func(p *peer) {
				p.send(wire.TypeConfirm, wire.Confirm{})
				untilLeft(p)
			}))
			sys.manager = managerLog{story: &s, replace: tt.replace}
			x := start(t, Options{Probation: time.Hour}, sys).serving()
			if err := x.r.Restart(t.Context()); err != nil {
				t.Fatal(err)
			}
			if tt.replace != nil {
				x.reached(StateServing, 2)
				x.answers("old")
				x.r.Shutdown()
			}
			x.drained()
			if got := strings.Join(s.lines, ", "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// What stops a process that is about to be replaced, but comes too late to cancel
// that, ends the probation before it has begun.
func TestStoppedTooLateToCancelTheRestart(t *testing.T) {
	for name, stop := range map[string]func(*run){
		"signal":          func(x *run) { x.signal(syscall.SIGTERM) },
		"a service fails": func(x *run) { x.service.fail <- errors.New("on fire") },
	} {
		t.Run(name, func(t *testing.T) {
			told, stopped, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
			x := start(t, Options{Probation: time.Hour}, spawning(t, func(p *peer) {
				defer close(done)
				p.manifest()
				p.send(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: p.claimed(), Probation: true})
				p.want(wire.TypeCommit, nil)
				p.send(wire.TypeCommitted, wire.Committed{})
				p.want(wire.TypeGo, nil)
				close(told)
				<-stopped
				p.send(wire.TypeServing, wire.Serving{})
				p.want(wire.TypeConfirmed, nil)
			})).serving()
			result := make(chan error, 1)
			go func() { result <- x.r.Restart(t.Context()) }()
			<-told
			stop(x)
			for noted := false; !noted; {
				x.inLoop(func(l *loop) { noted = l.attempt.thenStop != "" })
			}
			close(stopped)
			if err := <-result; err != nil {
				t.Errorf("Restart: got %v", err)
			}
			if err := x.returned(); (err != nil) != (name == "a service fails") {
				t.Errorf("Run: %v", err)
			}
			<-done
		})
	}
}

// systemd and the keeper send SIGHUP to the process that they watch, which is the
// old one until the probation is over. They mean the service.
func TestSIGHUPIsPassedOnInTheProbation(t *testing.T) {
	passed := make(chan syscall.Signal, 1)
	x := start(t, Options{Probation: time.Hour}, spawning(t, onProbation(func(p *peer) {
		passed <- <-p.signals
		p.send(wire.TypeConfirm, wire.Confirm{})
		untilLeft(p)
	}))).serving()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.reached(StateProbation, 1)
	x.signal(syscall.SIGHUP)
	select {
	case got := <-passed:
		if got != syscall.SIGHUP {
			t.Errorf("got %v, want SIGHUP", got)
		}
	case <-time.After(patience):
		t.Fatal("the successor has got no signal")
	}
	x.drained()
}
