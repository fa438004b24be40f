//go:build linux

package restarttest_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"

	"example.com/restart"
	"example.com/restart/restarttest"
)

// SIGHUP runs the hooks, then starts what is installed. The test's process gets no
// signal: it would die of this one.
func TestSIGHUP(t *testing.T) {
	var mu sync.Mutex
	var ran []string
	hook := func(name string, err error) restart.Hook {
		return func(context.Context, os.Signal) error {
			mu.Lock()
			defer mu.Unlock()
			ran = append(ran, name)
			return err
		}
	}
	p := restarttest.New(t, restart.Options{})
	first := p.Start(func(r *restart.Restarter) error {
		return errors.Join(
			r.Before(syscall.SIGHUP, hook("before", nil)),
			r.After(syscall.SIGHUP, hook("after", nil)),
			web("1")(r),
		)
	})
	p.Install(web("2"))
	first.Signal(syscall.SIGHUP)
	second, err := first.Next()
	if err != nil {
		t.Fatal(err)
	}
	mustEnd(t, first)
	if got := strings.Join(ran, " "); got != "before after" {
		t.Errorf("got hooks %q, want before after", got)
	}
	if got := dial(t, p, "web").get(); got != "2" || second.Status().Generation != 2 {
		t.Errorf("got version %s, want 2", got)
	}
}

func TestVeto(t *testing.T) {
	invalid := errors.New("configuration is invalid")
	p := restarttest.New(t, restart.Options{})
	first := p.Start(func(r *restart.Restarter) error {
		return errors.Join(web("1")(r), r.Before(syscall.SIGHUP, func(context.Context, os.Signal) error { return invalid }))
	})
	_, err := p.Restart(web("2"))
	re, ok := errors.AsType[*restart.RestartError](err)
	if !ok || re.Phase != restart.PhaseHooks || !errors.Is(err, invalid) {
		t.Errorf("got %v, want the veto", err)
	}
	if p.Latest() != first {
		t.Error("a successor was started all the same")
	}
}

func TestSIGTERMStops(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	g := p.Start(web("1"))
	g.Signal(syscall.SIGTERM)
	mustEnd(t, g)
	if _, err := g.Next(); err == nil {
		t.Error("got a successor of a program that was stopped")
	}
}

// SIGUSR2 and Hammer cut what drains.
func TestHammer(t *testing.T) {
	for name, hammer := range map[string]func(*restarttest.Generation){
		"SIGUSR2": func(g *restarttest.Generation) { g.Signal(syscall.SIGUSR2) },
		"Hammer":  (*restarttest.Generation).Hammer,
	} {
		t.Run(name, func(t *testing.T) {
			p := restarttest.New(t, restart.Options{HammerTime: -1})
			first := p.Start(held("1"))
			c := dial(t, p, "held")
			c.readLine()
			mustRestart(t, p, held("2"))
			hammer(first)
			c.ends()
			mustEnd(t, first)
			if got := first.Status().Cut; got != 1 {
				t.Errorf("got %d connections cut, want 1", got)
			}
		})
	}
}

// A signal without a hook does what the kernel does.
func TestSignalsThatNobodyTakes(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	g := p.Start(web("1"))
	g.Signal(syscall.SIGWINCH)
	if got := dial(t, p, "web").get(); got != "1" {
		t.Errorf("after SIGWINCH: got %q", got)
	}
	g.Signal(syscall.SIGUSR1)
	if err := g.Wait(); err == nil || !strings.Contains(err.Error(), "signal: user defined signal 1") {
		t.Errorf("after SIGUSR1: got %v, want that it has ended the process", err)
	}
}
