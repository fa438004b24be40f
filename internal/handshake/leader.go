// Package handshake is how a process starts its successor and leads it up to the
// point where the successor serves. The [Leader] is in the old process, the [Follower]
// in the new one; each is one straight function. docs/protocol.md describes the
// messages.
package handshake

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// A Step says how far a successor has come.
type Step int

// The steps, in order.
const (
	Start     Step = iota // until the process runs
	Ready                 // until every service is ready to accept
	Commit                // until the PID file is written
	Go                    // until it accepts
	Probation             // until this process lets go
)

// A Leader is the old process's end of the handshake.
type Leader struct {
	// Start starts the process with its end of the channel, which it borrows.
	Start func(theirs *os.File, tail *spawn.Tail, greet spawn.Greeting) (spawn.Process, error)

	// Probation says that the successor is to be on probation, if its version of
	// this library knows what that is.
	Probation bool

	// Replacing is called when the successor has committed, before it is told to
	// accept. An error gives up the restart. It is not called for a successor on
	// probation.
	Replacing func(pid int) error

	// Again reports whether another restart was asked for during this one. It
	// is called just before the successor is told to accept.
	Again func() bool

	// Passed is called when a step has ended well.
	Passed func(Step)

	Log *slog.Logger

	look time.Duration // 0: lookEvery
}

// Lead starts a successor, leaves it the manifest and leads it up to the point
// where it accepts. ctx can end that until "go" is said; after that only its
// deadline counts. The error is a *Failure.
func (l *Leader) Lead(ctx context.Context, m *Manifest) (*Successor, error) {
	a := &attempt{leader: l, tail: new(spawn.Tail)}
	a.look = cmp.Or(l.look, lookEvery)
	err := a.lead(ctx, m)
	defer a.unguard()
	if err == nil {
		return &a.Successor, nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && a.step == Go {
		err = overdue(ctx)
	}
	if ctx.Err() != nil && !errors.Is(err, errGaveUp) {
		err = context.Cause(ctx)
	}
	return nil, a.cleanUp(err)
}

// overdue says that the successor has not said in time that it serves. If ctx has a
// deadline, that has passed; its timer may be a moment later than the channel's.
func overdue(ctx context.Context) error {
	if _, ok := ctx.Deadline(); ok {
		<-ctx.Done()
		return context.Cause(ctx)
	}
	return fmt.Errorf("it did not say within %v that it serves", killGrace)
}

// An attempt is one call of Lead.
type attempt struct {
	Successor
	leader *Leader
	step   Step
	room   int // how many sockets it can claim
	tail   *spawn.Tail
	note   string // the successor's words, to be quoted if it fails
}

func (a *attempt) lead(ctx context.Context, m *Manifest) error {
	if err := a.start(m); err != nil {
		return err
	}
	// Every wait below ends with ctx.
	stop := context.AfterFunc(ctx, func() { a.Conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()

	a.next(Ready)
	a.room = len(m.Sockets)
	if err := m.send(a.Conn); err != nil {
		return a.quote(err)
	}
	var ready wire.Ready
	if err := a.await(wire.TypeReady, &ready); err != nil {
		return err
	}
	if err := a.meet(ready.PID); err != nil {
		return err
	}
	if err := a.claim(ready.Claimed, ready.Adopts, nil); err != nil {
		return err
	}

	a.next(Commit)
	if err := a.Conn.Send(wire.TypeCommit, wire.Commit{}); err != nil {
		return a.quote(err)
	}
	if err := a.await(wire.TypeCommitted, &wire.Committed{}); err != nil {
		return err
	}
	if a.Probation = a.leader.Probation && ready.Probation; !a.Probation {
		if err := a.leader.Replacing(a.PID); err != nil {
			return err
		}
	}

	// From here on the successor may serve, so this process must either be
	// replaced or see it dead. Only the time-out still counts.
	a.next(Go)
	if !stop() {
		return context.Cause(ctx)
	}
	bound := time.Now().Add(killGrace)
	if deadline, ok := ctx.Deadline(); ok && deadline.After(bound) {
		bound = deadline
	}
	a.Conn.SetDeadline(bound)
	if err := a.Conn.Send(wire.TypeGo, wire.Go{Again: a.leader.Again(), Probation: a.Probation}); err != nil {
		return a.quote(err)
	}
	if err := a.await(wire.TypeServing, &wire.Serving{}); err != nil {
		return err
	}
	a.leader.Passed(Go)
	a.proc.StopStderr()
	return a.Conn.SetDeadline(time.Time{})
}

// meet checks that the process which says that it is ready is the one that it says
// it is. Its PID gets our signals and becomes the main process of our manager, so
// the kernel must confirm it, or it must be the one that was started.
func (a *attempt) meet(claimed int) error {
	switch sender, told := a.Conn.Sender(); {
	case told && sender != claimed:
		return fmt.Errorf("the successor says that it is process %d, but the kernel says that process %d has sent that: "+
			"it must run in the same PID namespace and speak for itself", claimed, sender)
	case claimed == a.proc.PID():
		a.met = true
		a.guard()
		return nil
	case !told:
		return fmt.Errorf("the successor says that it is process %d, but process %d was started, and this platform does not tell who speaks: "+
			"a script around the program must execute it by exec", claimed, a.proc.PID())
	}
	speaker, err := spawn.Open(claimed)
	if err != nil {
		return fmt.Errorf("watch process %d, which is not the one that was started: %w", claimed, err)
	}
	a.PID, a.speaker = claimed, speaker
	a.guard()
	return nil
}

// next goes on to another step.
func (a *attempt) next(s Step) {
	a.leader.Passed(a.step)
	a.step = s
}

// start starts the process with its end of a new channel.
//
// Who we are and where standard error goes is said before the process is there:
// whatever happens to us from then on, the successor has a reader for its
// standard error, and no SIGPIPE ends it.
func (a *attempt) start(m *Manifest) error {
	conn, theirs, err := channel.Pair()
	if err != nil {
		return err
	}
	defer theirs.Close()
	a.proc, err = a.leader.Start(theirs, a.tail, func(stderr, pipe *os.File) error {
		return greet(conn, m.PID, m.Generation, stderr, pipe)
	})
	if err != nil {
		// There may be a process all the same, if it is not known whether exec
		// has failed. It must not take our end for our death.
		_ = conn.Send(wire.TypeAbort, wire.Abort{Reason: wire.Clip(err.Error())})
		conn.Close()
		return err
	}
	a.Conn, a.PID = conn, a.proc.PID()
	a.guard()
	return nil
}

// await waits for a message of type want.
func (a *attempt) await(want wire.Type, v any) error {
	for {
		f, fds, err := a.Conn.RecvRaw()
		channel.CloseRaw(fds)
		if err != nil {
			return a.quote(err)
		}
		switch f.Type {
		case want:
			return f.Decode(v)
		case wire.TypeClaims:
			var m wire.Claims
			if err := f.Decode(&m); err != nil {
				return err
			}
			if err := a.claim(m.Claimed, m.Adopts, m.Kinds); err != nil {
				return err
			}
		case wire.TypeNote, wire.TypeFailed:
			var m wire.Note
			if err := f.Decode(&m); err != nil {
				return err
			}
			a.note = m.Text
			if f.Type == wire.TypeFailed {
				return a.quote(errGaveUp)
			}
		default:
			return fmt.Errorf("invalid message from successor: got %v, want %v", f.Type, want)
		}
	}
}

var errClaims = errors.New("invalid message from successor: it claims more sockets than it was given")

// claim adds what the successor claims.
func (a *attempt) claim(claimed, adopts []string, kinds map[string][]string) error {
	a.add(claimed, adopts, kinds)
	if len(a.Claimed) > a.room || len(a.Adopts) > a.room || len(a.Kinds) > a.room {
		return errClaims
	}
	return nil
}
