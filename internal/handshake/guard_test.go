//go:build linux

package handshake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// A dead process has ended with an exit status.
type dead struct{ exit string }

func (dead) PID() int                { return os.Getpid() }
func (dead) Signal(syscall.Signal)   {}
func (dead) StopStderr()             {}
func (d dead) Exit() string          { return d.exit }
func (d dead) Release() string       { return d.exit }
func (dead) Wait(time.Duration) bool { return true }

// leadDead leads a process that has ended, while somebody else holds its end of the
// channel, which leadDead returns.
func leadDead(t *testing.T, exit string, within time.Duration) (held *channel.Conn, log string, err error) {
	t.Helper()
	var buf bytes.Buffer
	l := Leader{
		Start: func(theirs *os.File, _ *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
			f, err := fdutil.Dup(theirs)
			if err != nil {
				return nil, err
			}
			if held, err = channel.Open(f); err != nil {
				return nil, err
			}
			t.Cleanup(func() { held.Close() })
			return dead{exit}, greet(nil, nil)
		},
		Passed: func(Step) {},
		Log:    slog.New(slog.NewTextHandler(&buf, nil)),
	}
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	_, err = l.Lead(ctx, &Manifest{PID: os.Getpid(), Generation: 1})
	return held, buf.String(), err
}

// F11: a helper that the successor has started before New has the channel, too. Its
// end does not say that the successor has ended, so the process must.
func TestEndOfTheProcessEndsTheAttempt(t *testing.T) {
	held, log, err := leadDead(t, "exit status 3", 20*time.Second)
	f, ok := errors.AsType[*Failure](err)
	if !ok || !errors.Is(err, errExited) || f.Exit != "exit status 3" {
		t.Errorf("got %v, want that it exited", err)
	}
	if log == "" {
		t.Error("nobody is told that another process has the channel")
	}
	// Should that be a program, after all, it must not take the end for our death.
	held.SetDeadline(time.Now().Add(10 * time.Second))
	aborted := false
	for {
		f, _, err := held.Recv()
		if err != nil {
			if !errors.Is(err, io.EOF) || !aborted {
				t.Errorf("got %v, aborted %v; want the end after abort", err, aborted)
			}
			return
		}
		aborted = aborted || f.Type == wire.TypeAbort
	}
}

// A script that starts the program in the background has ended well. That says
// nothing of the program.
func TestScriptThatEndsWellEndsNothing(t *testing.T) {
	if _, _, err := leadDead(t, "exit status 0", lookEvery/2); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
}
