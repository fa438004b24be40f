//go:build linux

package restarttest_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"example.com/restart"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// The listener and an idle connection pass from one generation to the next.
func TestIdleConnectionMoves(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	first := p.Start(web("1"))
	addr := p.Addr("web")
	c := dial(t, p, "web")
	if got := c.get(); got != "1" {
		t.Errorf("got version %s, want 1", got)
	}
	second := mustRestart(t, p, web("2"))
	mustEnd(t, first)
	if got := p.Addr("web"); got != addr {
		t.Errorf("got address %s, want %s as before", got, addr)
	}
	if got := c.get(); got != "2" {
		t.Errorf("on the same connection: got version %s, want 2", got)
	}
	old, now := first.Status(), second.Status()
	if old.State != restart.StateStopped || old.HandedOver != 1 || now.Adopted != 1 || now.Generation != 2 || !now.Listeners[0].Inherited {
		t.Errorf("got %+v, then %+v", old, now)
	}
	alone(t, second)
}

// sessions counts the lines of each connection.
func sessions(r *restart.Restarter) error {
	_, err := r.Add("count", "tcp", "127.0.0.1:0", tcp.NewSessions(func(_ context.Context, c *tcp.Conn) {
		n := len(c.State())
		for {
			if err := c.Wait(); errors.Is(err, tcp.ErrDraining) {
				if c.Move([]byte(strings.Repeat("x", n))) == nil {
					return
				}
			} else if err != nil {
				return
			}
			if _, err := c.Reader().ReadString('\n'); err != nil {
				return
			}
			n++
			fmt.Fprintln(c, n)
		}
	}))
	return err
}

// A session outlives many generations.
func TestSessionMovesOn(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	p.Start(sessions)
	c := dial(t, p, "count")
	for i := range 10 {
		if got, want := c.line("next"), fmt.Sprint(i+1); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		mustRestart(t, p, sessions)
	}
}

// A last will leaves what it was given, and one more.
type will struct {
	*tcp.Server
	got string
}

func newWill() *will { return &will{Server: tcp.New(func(context.Context, net.Conn) {})} }

func (w *will) State() ([]byte, error) { return []byte(w.got + "x"), nil }
func (w *will) Restore(b []byte) error { w.got = string(b); return nil }
func (w *will) setup() restarttest.Setup {
	return func(r *restart.Restarter) error { _, err := r.Add("will", "tcp", "127.0.0.1:0", w); return err }
}

func TestStateMoves(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	w := newWill()
	p.Start(w.setup())
	for i := range 3 {
		w = newWill()
		mustRestart(t, p, w.setup())
		if want := strings.Repeat("x", i+1); w.got != want {
			t.Errorf("got state %q, want %q", w.got, want)
		}
	}
}

// What a successor does wrong is what Restart of a real one returns.
func TestFailedSuccessors(t *testing.T) {
	never := func(r *restart.Restarter) error {
		_, err := r.Add("web", "tcp", "127.0.0.1:0", stuck{make(chan struct{})})
		return err
	}
	for name, test := range map[string]struct {
		setup  restarttest.Setup
		phase  restart.Phase
		exit   string
		stderr string
	}{
		"Setup fails": {
			func(*restart.Restarter) error { return errors.New("config: no such key") },
			restart.PhaseReady, "exit status 1", "config: no such key\n",
		},
		"an address is taken": {
			func(r *restart.Restarter) error {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					return err
				}
				defer l.Close()
				_, err = r.Add("admin", "tcp", l.Addr().String(), newWeb("2"))
				return err
			},
			restart.PhaseReady, "exit status 1", "address already in use",
		},
		"nothing accepts": {never, restart.PhaseReady, "exit status 1", "restart: "}, // told by "abort" or SIGTERM, whichever it sees first
		"no services":     {func(*restart.Restarter) error { return nil }, restart.PhaseReady, "exit status 1", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := restarttest.New(t, restart.Options{ReadyTimeout: time.Second})
			first := p.Start(web("1"))
			g, err := p.Restart(test.setup)
			re, ok := errors.AsType[*restart.RestartError](err)
			if !ok || g != nil {
				t.Fatalf("got %v, %v; want a *RestartError", g, err)
			}
			if re.Phase != test.phase || re.Exit != test.exit || !strings.Contains(re.Stderr, test.stderr) {
				t.Errorf("got phase %v, exit %q, stderr %q", re.Phase, re.Exit, re.Stderr)
			}
			t.Log(err)
			if got := dial(t, p, "web").get(); got != "1" {
				t.Errorf("got version %s, want that 1 serves on", got)
			}
			if got := first.Status().State; got != restart.StateServing {
				t.Errorf("got state %v, want serving", got)
			}
			mustRestart(t, p, web("3"))
			mustEnd(t, first)
		})
	}
}

// stuck never calls Accept.
type stuck struct{ shut chan struct{} }

func (s stuck) Serve(net.Listener) error       { <-s.shut; return nil }
func (s stuck) Shutdown(context.Context) error { close(s.shut); return nil }

// A restart that was undone is followed by others.
func TestProbation(t *testing.T) {
	p := restarttest.New(t, restart.Options{Probation: time.Hour})
	first := p.Start(web("1"))
	second := mustRestart(t, p, web("2"))
	if got := dial(t, p, "web").get(); got != "2" {
		t.Errorf("got version %s, want 2", got)
	}
	if err := first.Undo("the test wants it"); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err == nil {
		t.Error("got no error of a generation that was undone")
	}
	if got := dial(t, p, "web").get(); got != "1" {
		t.Errorf("got version %s, want 1", got)
	}
	third := mustRestart(t, p, web("3"))
	if third == second || third.Status().Generation != 2 {
		t.Errorf("got generation %d, want another second one", third.Status().Generation)
	}
	if got := dial(t, p, "web").get(); got != "3" {
		t.Errorf("got version %s, want 3", got)
	}
	mustRestart(t, p, web("4")) // ends the probation
	mustEnd(t, first)
	if got := dial(t, p, "web").get(); got != "4" {
		t.Errorf("got version %s, want 4", got)
	}
}
