//go:build linux

package restart

import (
	"errors"
	"os"
	"strings"
	"testing"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// A statefulService leaves bytes to its successor.
type statefulService struct {
	*testService
	leave    string
	fail     error
	restored []string
}

func (s *statefulService) State() ([]byte, error) { return []byte(s.leave), s.fail }

func (s *statefulService) Restore(b []byte) error {
	s.restored = append(s.restored, string(b))
	return s.fail
}

// Two Restarters in one process, one the successor of the other: the whole
// hand-shake with nobody scripted.
func TestOneRestarterFollowsAnother(t *testing.T) {
	long := strings.Repeat("state ", 50_000) // several messages
	oldService := &statefulService{testService: newTestService(), leave: long}
	oldService.answer = "old"
	newService := &statefulService{testService: newTestService()}
	newService.answer = "new"

	successor := make(chan *run, 1)
	sys := fakeSystem()
	sys.start = func(_ spawn.Command, _ spawn.Parent, theirs *os.File, _ *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
		if err := greet(nil, nil); err != nil {
			return nil, err
		}
		mine := dup(t, theirs)
		p := &peer{t: t, ended: make(chan struct{})}
		go func() {
			x := &run{t: t, log: newLogs(t), result: make(chan error, 1)}
			mySys := fakeSystem()
			mySys.inherit = func() (*channel.Conn, error) { return channel.Open(mine) }
			r, err := newRestarter(Options{Logger: slogTo(x.log)}, mySys)
			if err != nil {
				t.Error(err)
				return
			}
			x.r = r
			for _, name := range []string{"web", "second"} {
				svc := Service(newTestService())
				if name == "web" {
					svc = newService
				}
				addr, err := r.Add(name, "tcp", "127.0.0.1:0", svc)
				if err != nil {
					t.Error(err)
				} else if name == "web" {
					x.address = addr.String()
				}
			}
			x.run()
			successor <- x
		}()
		return fakeProcess{p}, nil
	}
	x := &run{t: t, log: newLogs(t), service: oldService.testService, result: make(chan error, 1)}
	x.r = fakeRestarter(t, Options{Logger: slogTo(x.log)}, sys)
	for name, svc := range map[string]Service{"web": oldService, "second": newTestService()} {
		addr, err := x.r.Add(name, "tcp", "127.0.0.1:0", svc)
		if err != nil {
			t.Fatal(err)
		}
		if name == "web" {
			x.address = addr.String()
		}
	}
	x.run()
	x.serving()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	y := <-successor
	x.drained()
	if y.address != x.address {
		t.Errorf("got %s, want %s", y.address, x.address)
	}
	y.answers("new")
	if got := newService.restored; len(got) != 1 || got[0] != long {
		t.Errorf("got %d times state, want that of the predecessor once", len(got))
	}
	st := y.r.Status()
	if st.Generation != 2 || len(st.Listeners) != 2 || !st.Listeners[0].Inherited {
		t.Errorf("got %+v", st)
	}
	y.r.Shutdown()
	y.drained()
}

// Half a state is none.
func TestStateThatWasCutOffIsNotRestored(t *testing.T) {
	o := newOldProcess(t)
	o.hello()
	o.send(wire.TypeState, wire.State{Name: "web", Data: []byte("whole"), Last: true})
	o.send(wire.TypeState, wire.State{Name: "cut", Data: []byte("ha")})
	o.die()
	r, err := newRestarter(Options{}, o.system())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	for name, want := range map[string]string{"web": "whole", "cut": ""} {
		s := &statefulService{testService: newTestService()}
		if _, err := r.Add(name, "tcp", "127.0.0.1:0", s); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(s.restored, ","); got != want {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	for _, s := range r.table.list() {
		s.close()
	}
}

func TestStateErrors(t *testing.T) {
	x := &run{t: t, log: newLogs(t), result: make(chan error, 1)}
	x.r = fakeRestarter(t, Options{Logger: slogTo(x.log)}, spawning(t))
	s := &statefulService{testService: newTestService(), fail: errors.New("no state today")}
	x.service = s.testService
	if _, err := x.r.Add("web", "tcp", "127.0.0.1:0", s); err != nil {
		t.Fatal(err)
	}
	x.run()
	x.reached(StateServing, 1)
	err := x.r.Restart(t.Context())
	re, ok := errors.AsType[*RestartError](err)
	if !ok || re.Phase != PhasePrepare || !errors.Is(err, s.fail) || re.PID != 0 {
		t.Errorf("State fails: got %v", err)
	}

	o := newOldProcess(t)
	o.hello()
	o.send(wire.TypeState, wire.State{Name: "web", Data: []byte("bad"), Last: true})
	o.sendFiles()
	o.send(wire.TypeStart, wire.Start{})
	r := fakeRestarter(t, Options{}, o.system())
	if _, err := r.Add("web", "tcp", o.address(), s); !errors.Is(err, s.fail) {
		t.Errorf("Restore fails: got %v", err)
	}
	inScript(func() {
		var note wire.Note
		o.want(wire.TypeNote, &note)
		if !strings.Contains(note.Text, "no state today") {
			t.Errorf("got note %q", note.Text)
		}
	})
}
