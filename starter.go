package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/transfer"
)

// A starter starts a successor. It runs on the goroutine of the attempt and
// shares nothing with the loop.
type starter struct {
	options    Options
	sys        system
	log        *slog.Logger
	generation int // of this process
	sockets    []*socket
	lifelines  []handshake.Lifeline
	again      func() bool // reports whether the successor is to restart once more
	phase      func(Phase) // called with each phase that has ended well
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
	s.phase(PhasePrepare)
	s.log.Info("restart: starting a successor", "path", cmd.Path, "file", cmd.File())
	leader := handshake.Leader{
		Start: func(theirs *os.File, tail *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
			p, err := s.sys.start(cmd, s.sys.manager.Parent(), theirs, tail, greet)
			if err != nil {
				return nil, cmd.Explain(err)
			}
			return p, nil
		},
		Probation: s.options.Probation > 0,
		Replacing: s.sys.manager.Replacing,
		Again:     s.again,
		Passed:    func(step handshake.Step) { s.phase(phaseOf[step]) },
		Log:       s.log,
	}
	successor, err := leader.Lead(ctx, manifest)
	return successor, restartError(err)
}

// restartError makes a *RestartError of a *handshake.Failure.
func restartError(err error) error {
	if f, ok := errors.AsType[*handshake.Failure](err); ok {
		return &RestartError{Phase: phaseOf[f.Step], PID: f.PID, Exit: f.Exit, Stderr: f.Stderr, Err: f.Err}
	}
	return err
}

var phaseOf = map[handshake.Step]Phase{
	handshake.Start:  PhaseStart,
	handshake.Ready:  PhaseReady,
	handshake.Commit: PhaseCommit,
	handshake.Go:     PhaseGo,

	handshake.Probation: PhaseProbation,
}

// A timeoutError says that a successor was not ready in time.
type timeoutError struct{ within time.Duration }

func (e *timeoutError) Error() string {
	return fmt.Sprintf("not ready within %v (Options.ReadyTimeout): has the program called Run, and each service Accept? "+
		"A program that waits for a lock or database which the old process holds must open it later, when Restarter.Alone says so", e.within)
}

func (e *timeoutError) Timeout() bool { return true }

// prepare collects what a successor needs: the command, states and sockets.
// Options.Command and State are foreign code.
func (s *starter) prepare(ctx context.Context) (spawn.Command, *handshake.Manifest, error) {
	if ctx.Err() != nil {
		return spawn.Command{}, nil, context.Cause(ctx) // ended while the hooks ran
	}
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
	sum := 0
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
		if sum += len(sock.name) + len(b); sum > transfer.MaxStates {
			return nil, fmt.Errorf("state of %q: %d bytes with those of the other services, at most %d", sock.name, sum, transfer.MaxStates)
		}
		states[sock.name] = b
	}
	return states, nil
}

// bounded returns the results of f, which is foreign code, or an error if ctx ends
// first. The error calls f by the given name.
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
