//go:build linux

package restarttest_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"example.com/restart"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

// A recorder is a test that keeps its failures. It ends when end is called.
type recorder struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (r *recorder) Helper()           {}
func (r *recorder) Output() io.Writer { return io.Discard }
func (r *recorder) Error(args ...any) { r.failures = append(r.failures, fmt.Sprint(args...)) }
func (r *recorder) Cleanup(f func())  { r.cleanups = append(r.cleanups, f) }

func (r *recorder) Context() context.Context { return context.Background() }

func (r *recorder) Errorf(format string, args ...any) {
	r.failures = append(r.failures, fmt.Sprintf(format, args...))
}

func (r *recorder) end() {
	for _, f := range r.cleanups {
		f()
	}
}

var errBroken = errors.New("broken")

// A failing service ends with an error.
type failing struct{ *tcp.Server }

func (f failing) Shutdown(ctx context.Context) error {
	f.Server.Shutdown(ctx)
	return errBroken
}

func setupFailing(r *restart.Restarter) error {
	_, err := r.Add("web", "tcp", "127.0.0.1:0", failing{tcp.New(func(context.Context, net.Conn) {})})
	return err
}

// An error of Run is not lost, unless the test has seen it.
func TestErrorsOfRunFailTheTest(t *testing.T) {
	for _, wait := range []bool{false, true} {
		rec := &recorder{TB: t}
		g := restarttest.New(rec, restart.Options{}).Start(setupFailing)
		if wait {
			g.Shutdown()
			if err := g.Wait(); !errors.Is(err, errBroken) {
				t.Errorf("got %v, want the service's error", err)
			}
		}
		rec.end()
		failed := strings.Contains(strings.Join(rec.failures, "\n"), "broken")
		if failed == wait {
			t.Errorf("waited %v: got failures %q", wait, rec.failures)
		}
	}
}

// Connections that a test has left open do not hold up its end.
func TestEndCutsConnections(t *testing.T) {
	rec := &recorder{TB: t}
	p := restarttest.New(rec, restart.Options{HammerTime: -1})
	p.Start(held("1"))
	old := dial(t, p, "held")
	old.readLine()
	if _, err := p.Restart(held("2")); err != nil {
		t.Fatal(err)
	}
	now := dial(t, p, "held")
	now.readLine()
	rec.end()
	old.ends()
	now.ends()
	if len(rec.failures) > 0 {
		t.Errorf("got %q", rec.failures)
	}
	if _, err := p.Restart(held("3")); err == nil {
		t.Error("a restart after the end of the test: got no error")
	}
}
