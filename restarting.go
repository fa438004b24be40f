package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"syscall"
	"time"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/transfer"
)

// An attempt is a restart that is under way, as the loop sees it.
type attempt struct {
	began    time.Time
	cancel   context.CancelCauseFunc
	reply    func(error)
	thenStop string // not empty: stop if the attempt fails, and why
	again    again
}

// again says what becomes of a restart that was asked for during another one.
type again int

const (
	notAsked again = iota
	asked          // to be tried when the attempt has failed
	passed         // the successor will do it
)

// passAgain reports whether the successor is to restart once more. From then on
// that is its business.
func (a *attempt) passAgain() bool {
	if a.again == asked {
		a.again = passed
		return true
	}
	return false
}

// errTwoRestarters is an error of the program.
var errTwoRestarters = errors.New("restart: two Restarters run in this process, and each would start a successor: let all services share one (that of package http is its Default)")

// refusal says why no restart can be tried now.
func (l *loop) refusal() error {
	switch l.state {
	case StateNew, StateStarting:
		return ErrNotServing
	case StateRestarting:
		return ErrRestarting
	case StateDraining, StateStopped:
		return ErrStopped
	case StateServing:
	}
	if !spawn.Supported {
		return ErrUnsupported
	}
	if l.r.sys.process.running() > 1 {
		return errTwoRestarters
	}
	if limit, n := l.r.options.MaxDraining, len(l.r.living()); limit >= 0 && n > limit {
		return fmt.Errorf("%w: %d, Options.MaxDraining is %d", ErrTooManyDraining, n, limit)
	}
	return nil
}

// askRestart begins a restart that a caller asks for, its hooks first. It waits
// for the After hooks of the restart before.
func (l *loop) askRestart(ctx context.Context, reply func(error)) {
	if err := l.refusal(); err != nil {
		reply(err)
		return
	}
	if a := l.actions.running[syscall.SIGHUP]; a != nil && !a.over {
		reply(ErrRestarting)
		return
	}
	l.act(&action{sig: syscall.SIGHUP, ctx: ctx, reply: reply, asked: true})
}

// askAgain notes a SIGHUP that came at a bad moment, or starts what one asked
// for then.
func (l *loop) askAgain() {
	switch l.state {
	case StateStarting:
		l.starting.again = true
	case StateRestarting:
		if l.attempt.again == notAsked {
			l.attempt.again = asked
		} else if l.attempt.again == passed {
			l.attempt.again = asked // after "go": the successor gets a signal
		}
	default:
		l.act(&action{sig: syscall.SIGHUP, ctx: l.actions.ctx, reply: l.logFailure})
	}
}

// logFailure is the reply to a restart that no caller waits for.
func (l *loop) logFailure(err error) {
	switch {
	case err == nil:
	case errors.Is(err, ErrStopped) && l.successor != nil:
		l.log.Info("restart: replaced already; the successor can be restarted", "successor", l.successor.PID)
	default:
		l.log.Error("restart: failed", "error", err)
	}
}

// restart begins an attempt and calls reply when it has ended.
func (l *loop) restart(ctx context.Context, reply func(error)) {
	if err := l.refusal(); err != nil {
		reply(err)
		return
	}
	l.to(StateRestarting)
	delete(l.actions.pending, syscall.SIGHUP) // asks for no more than this one
	l.manager.Restarting()
	ctx, cancel := context.WithCancelCause(ctx)
	l.attempt = &attempt{cancel: cancel, reply: reply, began: time.Now()}
	s := starter{
		options:    l.r.options,
		sys:        l.r.sys,
		log:        l.log,
		generation: l.r.generation,
		sockets:    l.startedSockets(),
		lifelines:  l.r.lifelines(),
		again:      l.mail.askAgain,
	}
	mail := l.mail
	l.goroutines.Go(func() {
		defer cancel(nil)
		successor, err := s.start(ctx)
		mail.post(attemptEnded{successor, err})
	})
}

// askAgain asks the loop whether another restart was asked for.
func (b mailbox) askAgain() bool {
	reply := make(chan bool, 1)
	return b.post(againAsked{reply}) && <-reply
}

// endAttempt goes on as the attempt has ended.
func (l *loop) endAttempt(s *handshake.Successor, err error) {
	a := l.attempt
	l.attempt = nil
	l.lastError = err
	if err != nil {
		l.to(StateServing)
		l.retakePIDFile()
		l.manager.Failed(err)
	} else {
		l.successor, l.sender = s, transfer.NewSender(s.Conn)
		l.manager.Replaced(s.PID)
		l.log.Info("restart: replaced, draining", "successor", s.PID, "elapsed", since(a.began))
		if a.again == asked {
			s.Signal(syscall.SIGHUP) // came after "go"
		}
		l.startDrain()
	}
	a.reply(err)
	switch {
	case err == nil:
	case a.thenStop != "":
		l.stop(a.thenStop)
	case a.again != notAsked:
		l.askAgain()
	}
}

// retakePIDFile puts our PID back if the successor came so far as to write its
// own.
func (l *loop) retakePIDFile() {
	path := l.r.options.PIDFile
	if path == "" || pidfile.Ours(path) {
		return
	}
	if err := pidfile.Write(path); err != nil {
		l.log.Error("restart: cannot take the PID file back", "error", err)
	}
}

// A starter starts a successor. It runs on the goroutine of the attempt and
// shares nothing with the loop.
type starter struct {
	options    Options
	sys        system
	log        *slog.Logger
	generation int // of this process
	sockets    []*socket
	lifelines  []handshake.Lifeline
	again      func() bool
}

// start starts a successor and waits until it serves. The error is a
// *RestartError, and nothing of the attempt is left then. ctx can end it until
// the successor is told to accept; after that only Options.ReadyTimeout counts.
func (s *starter) start(ctx context.Context) (*handshake.Successor, error) {
	if within := s.options.ReadyTimeout; within > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, within, &timeoutError{within})
		defer cancel()
	}
	cmd, manifest, err := s.prepare(ctx)
	if err != nil {
		return nil, &RestartError{Phase: PhasePrepare, Err: err}
	}
	defer closeSockets(manifest.Sockets)
	s.log.Info("restart: starting a successor", "path", cmd.Path, "file", cmd.File())
	leader := handshake.Leader{
		Start: func(theirs *os.File, tail *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
			p, err := s.sys.start(cmd, s.sys.manager.Parent(), theirs, tail, greet)
			if err != nil {
				return nil, cmd.Explain(err)
			}
			return p, nil
		},
		Replacing: s.sys.manager.Replacing,
		Again:     s.again,
		Log:       s.log,
	}
	successor, err := leader.Lead(ctx, manifest)
	if f, ok := errors.AsType[*handshake.Failure](err); ok {
		return nil, &RestartError{Phase: phaseOf[f.Step], PID: f.PID, Exit: f.Exit, Stderr: f.Stderr, Err: f.Err}
	}
	return successor, err
}

var phaseOf = map[handshake.Step]Phase{
	handshake.Start:  PhaseStart,
	handshake.Ready:  PhaseReady,
	handshake.Commit: PhaseCommit,
	handshake.Go:     PhaseGo,
}

// A timeoutError says that a successor was not ready in time.
type timeoutError struct{ within time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("not ready within %v (Options.ReadyTimeout): has the program called Run, and each service Accept? "+
		"A program that waits for a lock or database which the old process holds must open it later, when Restarter.Alone says so", e.within)
}

func (e *timeoutError) Timeout() bool { return true }

// prepare asks the program for what a successor needs. Everything that it calls
// is foreign code.
func (s *starter) prepare(ctx context.Context) (spawn.Command, *handshake.Manifest, error) {
	cmd, err := s.command(ctx)
	if err != nil {
		return cmd, nil, err
	}
	m := &handshake.Manifest{PID: os.Getpid(), Generation: s.generation, Lifelines: s.lifelines}
	if m.States, err = s.states(ctx); err != nil {
		return cmd, nil, err
	}
	for _, sock := range s.sockets {
		described, err := sock.describe()
		if errors.Is(err, os.ErrClosed) || isClosing(err) {
			continue // its service has closed it
		}
		if err != nil {
			closeSockets(m.Sockets)
			return cmd, nil, fmt.Errorf("listener %q: %w", sock.name, err)
		}
		m.Sockets = append(m.Sockets, described)
	}
	return cmd, m, nil
}

func closeSockets(sockets []handshake.Socket) {
	for _, s := range sockets {
		s.File.Close()
	}
}

// command returns the program to start, looked up anew each time.
func (s *starter) command(ctx context.Context) (spawn.Command, error) {
	cmd := Command(spawn.Again(s.sys.program))
	if change := s.options.Command; change != nil {
		changed, err := bounded(ctx, "it", func() (Command, error) { c := cmd; err := change(&c); return c, err })
		if err != nil {
			return spawn.Command(cmd), fmt.Errorf("Options.Command: %w", err)
		}
		cmd = changed
	}
	return spawn.Command(cmd).Prepare()
}

// states asks the services for the state that their successors are to have.
func (s *starter) states(ctx context.Context) (map[string][]byte, error) {
	states := make(map[string][]byte)
	for _, sock := range s.sockets {
		st, ok := sock.service().(Stateful)
		if !ok {
			continue
		}
		b, err := bounded(ctx, "State", st.State)
		if err != nil {
			return nil, fmt.Errorf("state of %q: %w", sock.name, err)
		}
		if len(b) > transfer.MaxState {
			return nil, fmt.Errorf("state of %q: %d bytes, at most %d", sock.name, len(b), transfer.MaxState)
		}
		states[sock.name] = b
	}
	return states, nil
}

// bounded returns what f returns, which is foreign code, or an error if ctx ends
// before that.
func bounded[T any](ctx context.Context, name string, f func() (T, error)) (T, error) {
	type result struct {
		value T
		err   error
	}
	results := make(chan result, 1)
	go func() {
		value, err := f()
		results <- result{value, err}
	}()
	select {
	case r := <-results:
		return r.value, r.err
	case <-ctx.Done():
		var none T
		return none, fmt.Errorf("%s has not returned: %w", name, context.Cause(ctx))
	}
}
