//go:build linux

package restart

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/wire"
)

// Whoever watches the old process learns that nobody serves any more.
func TestSuccessorDiesWhileDraining(t *testing.T) {
	die := make(chan struct{})
	x := start(t, Options{}, spawning(t, func(p *peer) {
		toGo(p)
		p.send(wire.TypeServing, wire.Serving{})
		<-die
	})).serving()
	died := make(chan Event, 1)
	x.r.OnEvent(func(e Event) {
		if e.Kind == EventSuccessorDied {
			died <- e
		}
	})
	kept, c := keep(x)
	kept()
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.reached(StateDraining, 1)
	close(die)
	select {
	case e := <-died:
		if e.Successor != os.Getpid() || e.Err == nil || !strings.Contains(e.Err.Error(), "exit status 7") {
			t.Errorf("got %+v, want who has died and how", e)
		}
		if err := x.r.Status().LastError; err != e.Err {
			t.Errorf("the status says %v, want %v", err, e.Err)
		}
	case <-time.After(patience):
		t.Error("nobody learns of it")
	}
	kept() // goes on
	c.Close()
	if err := x.returned(); err != nil {
		t.Error(err)
	}
}

func TestDeathWhileDraining(t *testing.T) {
	s := serve(t, config{})
	old := s.pid()
	slow := s.dial()
	slow.ask("hold")
	successor := s.replace()
	s.Signal(successor, syscall.SIGKILL)
	s.Wait(1, "event=successor died", fmt.Sprintf("pid=%d", old), "signal: killed")
	slow.release(old)
	s.exited(old)
	s.WaitEnd()
}

// A successor that ends in good order, replaced or stopped, alarms nobody.
func TestGoodEndWhileDrainingIsNoDeath(t *testing.T) {
	s := serve(t, config{})
	slow, old, third := s.replaceTwice()
	s.Signal(third, syscall.SIGTERM)
	s.exited(third)
	slow.release(old)
	s.exited(old)
	s.WaitEnd()
	if s.Count("event=successor died") > 0 {
		t.Error("an alarm was given")
	}
}
