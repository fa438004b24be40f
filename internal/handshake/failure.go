package handshake

import (
	"errors"
	"io"
	"os"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

const (
	// abortGrace is the time that a successor gets to end by itself after "abort",
	// killGrace the time that the kernel gets to carry SIGKILL out.
	abortGrace = 3 * time.Second
	killGrace  = 5 * time.Second
)

// A Failure says why a successor failed. Nothing of the attempt is left.
type Failure struct {
	Step   Step
	PID    int // 0: no process was started
	Exit   string
	Stderr string
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

// What ends a wait for the successor's next message.
var (
	errExited = errors.New("it exited before taking over")
	errGaveUp = errors.New("it gave up")
)

// quote adds the successor's own words to the error that ended a wait.
func (a *attempt) quote(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) {
		err = errExited
	}
	if a.note == "" || !errors.Is(err, errExited) && !errors.Is(err, errGaveUp) {
		return err
	}
	return &quoted{words: a.note, cause: err}
}

// A quoted error is a failure in the successor's own words.
type quoted struct {
	words string
	cause error
}

func (q *quoted) Error() string { return q.words }
func (q *quoted) Unwrap() error { return q.cause }

// cleanUp makes sure that a successor that failed is gone, and says how it
// ended. A process that will neither leave nor die keeps its channel: the end of
// that would tell it to serve.
func (a *attempt) cleanUp(err error) *Failure {
	f := &Failure{Step: a.step, Err: err}
	if a.proc == nil {
		return f
	}
	f.PID = a.PID
	a.Conn.SetDeadline(time.Now().Add(abortGrace))
	// Also where the process has exited: another one that it has started may have
	// the channel, and must not take its end for our death.
	_ = a.Conn.Send(wire.TypeAbort, wire.Abort{Reason: wire.Clip(err.Error())}) // nobody may be there
	// After "go" SIGTERM would make it stop like any process that serves, and
	// remove the files that are ours again. "abort" tells it not to.
	if !errors.Is(err, errExited) && !errors.Is(err, errGaveUp) && a.step != Go {
		a.signalBoth(syscall.SIGTERM)
	}
	if !a.gone(abortGrace) {
		a.signalBoth(syscall.SIGKILL)
		if !a.gone(killGrace) {
			a.leader.Log.Error("restart: cannot kill a successor that failed", "successor", a.PID)
			return f
		}
	}
	a.unguard()
	if a.Conn.Send(wire.TypeAbort, wire.Abort{}) == nil {
		a.leader.Log.Warn("restart: a process that the failed successor has started holds its channel, and with that perhaps our sockets", "successor", a.PID)
	}
	a.Conn.Close()
	a.speaker.Close()
	f.Exit = a.proc.Release()
	f.Stderr = a.tail.String()
	return f
}

// signalBoth reaches both the process that was started and, under a wrapper, the
// one that spoke.
func (a *attempt) signalBoth(sig syscall.Signal) {
	a.proc.Signal(sig)
	if a.speaker != nil {
		a.speaker.Signal(sig)
	}
}

// gone waits until the other end of the channel is closed and the process has
// ended. A process that still has the channel when the time is up does not serve: it
// was sent "abort".
func (a *attempt) gone(within time.Duration) bool {
	bound := time.Now().Add(within)
	a.Conn.SetDeadline(bound)
	for {
		_, fds, err := a.Conn.RecvRaw()
		channel.CloseRaw(fds)
		if errors.Is(err, io.EOF) || errors.Is(err, os.ErrClosed) || errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
	}
	left := time.Until(bound)
	return a.proc.Wait(left) && (a.speaker == nil || a.speaker.Wait(time.Until(bound)))
}
