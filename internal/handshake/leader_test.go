//go:build linux

package handshake

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// A played process stands for a successor that the test plays.
type played struct{ ended chan struct{} }

func (played) PID() int              { return os.Getpid() }
func (played) Signal(syscall.Signal) {}
func (played) StopStderr()           {}
func (played) Exit() string          { return "" }
func (played) Release() string       { return "" }
func (p played) Wait(within time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(within):
		return false
	}
}

// lead leads a successor that play plays. The process ends with play.
func lead(t *testing.T, play func(*channel.Conn)) (*Successor, error) {
	t.Helper()
	l := Leader{
		Start: func(theirs *os.File, _ *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
			f, err := fdutil.Dup(theirs)
			if err != nil {
				return nil, err
			}
			conn, err := channel.Open(f)
			if err != nil {
				return nil, err
			}
			p := played{make(chan struct{})}
			go func() {
				defer close(p.ended)
				defer conn.Close()
				play(conn)
			}()
			return p, greet(nil, nil)
		},
		Replacing: func(int) error { return nil },
		Again:     func() bool { return false },
		Passed:    func(Step) {},
		Log:       slog.New(slog.DiscardHandler),
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return l.Lead(ctx, &Manifest{PID: os.Getpid(), Generation: 1})
}

// A successor that names another process must not make us signal it.
func TestReadyOfAnotherProcessIsRefused(t *testing.T) {
	bystander := exec.Command("sleep", "600")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	_, err := lead(t, func(c *channel.Conn) {
		if err := c.Send(wire.TypeReady, wire.Ready{PID: bystander.Process.Pid}); err != nil {
			t.Error(err)
		}
		for { // until abort
			f, _, err := c.Recv()
			if err != nil || f.Type == wire.TypeAbort {
				return
			}
		}
	})
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("says that it is process %d, but", bystander.Process.Pid)) {
		t.Errorf("got %v, want that it is another process", err)
	}
	if f, ok := err.(*Failure); !ok || f.PID != os.Getpid() {
		t.Errorf("got %+v, want the PID of the process that was started", err)
	}
	// It would have ended by the first signal.
	bystander.Process.Signal(syscall.SIGUSR1)
	if err := bystander.Wait(); err == nil || err.Error() != "signal: user defined signal 1" {
		t.Errorf("the bystander ended: %v", err)
	}
}

// F13: syscall.ForkExec can fail though the program runs, if it cannot read how
// exec went. The program must not take the end of the channel for our death, and
// serve.
func TestStartFailsThoughTheSuccessorRuns(t *testing.T) {
	var theirs *channel.Conn
	l := Leader{
		Start: func(end *os.File, _ *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
			if err := greet(nil, nil); err != nil {
				t.Error(err)
			}
			f, err := fdutil.Dup(end)
			if err != nil {
				t.Fatal(err)
			}
			if theirs, err = channel.Open(f); err != nil {
				t.Fatal(err)
			}
			return nil, syscall.EIO
		},
		Passed: func(Step) {},
		Log:    slog.New(slog.DiscardHandler),
	}
	if _, err := l.Lead(t.Context(), &Manifest{PID: os.Getpid(), Generation: 1}); !errors.Is(err, syscall.EIO) {
		t.Errorf("got %v, want EIO", err)
	}
	if _, err := Meet(theirs); !errors.Is(err, ErrAborted) {
		t.Errorf("the successor: got %v, want that it was aborted", err)
	}
}
