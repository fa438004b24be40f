package restarttest_test

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/restart"
	"example.com/restart/restarttest"
)

// In a bubble a drain of an hour takes no time.
func TestHammerTimeInABubble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := restarttest.NewInMemory(t, restart.Options{HammerTime: time.Hour})
		g := p.Start(held("1"))
		c, err := p.Dial("held")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Read(make([]byte, 10)); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		g.Shutdown()
		mustEnd(t, g)
		if got := time.Since(begun).Truncate(time.Minute); got != time.Hour || g.Status().Cut != 1 {
			t.Errorf("got %v and %d connections cut, want 1h and 1", got, g.Status().Cut)
		}
	})
}

// A client in the queue of a program that stops is served.
func TestQueueInMemoryIsServed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := restarttest.NewInMemory(t, restart.Options{})
		g := p.Start(web("1"))
		c := dial(t, p, "web")
		g.Shutdown()
		if got := c.get(); got != "1" {
			t.Errorf("got %q", got)
		}
		c.Close()
		mustEnd(t, g)
		if _, err := p.Dial("web"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial after the end: got %v, want that it is refused", err)
		}
	})
}

// What cannot be passed on is not lost: the restart is refused.
func TestRestartInMemoryIsRefused(t *testing.T) {
	p := restarttest.NewInMemory(t, restart.Options{})
	g := p.Start(web("1"))
	if _, err := p.Restart(web("2")); err == nil || g.Status().State != restart.StateServing {
		t.Errorf("got %v in state %v, want a refusal", err, g.Status().State)
	}
	if got := dial(t, p, "web").get(); got != "1" {
		t.Errorf("got %q, want 1", got)
	}
}

func TestAddressInMemoryIsTaken(t *testing.T) {
	p := restarttest.NewInMemory(t, restart.Options{})
	p.Start(func(r *restart.Restarter) error {
		if _, err := r.Add("a", "tcp", "127.0.0.1:80", newHeld("a")); err != nil {
			return err
		}
		if _, err := r.Add("b", "tcp", "127.0.0.1:80", newHeld("b")); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("got %v, want that the address is in use", err)
		}
		return nil
	})
}
