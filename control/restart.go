package control

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"example.com/restart"
)

// restartQuery is what a request for a restart asks for.
type restartQuery struct {
	followDrain        bool
	cancelOnDisconnect bool
	timeout            time.Duration // 0: none
}

func parseRestartQuery(r *http.Request) (restartQuery, error) {
	p, err := params(r, "wait", "on_disconnect", "timeout")
	if err != nil {
		return restartQuery{}, err
	}
	wait, err := oneOf("wait", p["wait"], "serving", "drain")
	if err != nil {
		return restartQuery{}, err
	}
	onDisconnect, err := oneOf("on_disconnect", p["on_disconnect"], "continue", "cancel")
	if err != nil {
		return restartQuery{}, err
	}
	q := restartQuery{followDrain: wait == "drain", cancelOnDisconnect: onDisconnect == "cancel"}
	if p["timeout"] != "" {
		if q.timeout, err = time.ParseDuration(p["timeout"]); err != nil || q.timeout <= 0 {
			return restartQuery{}, fmt.Errorf(`timeout=%q is not a time such as "30s"`, p["timeout"])
		}
	}
	return q, nil
}

// context returns the context of the restart.
func (q restartQuery) context(r *http.Request) (context.Context, context.CancelFunc) {
	ctx := r.Context()
	if !q.cancelOnDisconnect {
		ctx = context.WithoutCancel(ctx)
	}
	if q.timeout > 0 {
		return context.WithTimeoutCause(ctx, q.timeout, fmt.Errorf("not done within %v, as was asked for", q.timeout))
	}
	return ctx, func() {}
}

func (s *Service) postRestart(w http.ResponseWriter, r *http.Request) {
	q, err := parseRestartQuery(r)
	if err != nil {
		badRequest(w, err)
		return
	}
	ctx, cancel := q.context(r)
	defer cancel()
	began := time.Now()
	replaced, undone, err := s.restart(ctx)
	if err != nil {
		s.answerFailure(w, err)
		return
	}
	if q.followDrain {
		<-replaced
		s.follow(w, ProgressReplaced, undone)
		return
	}
	st := s.process.Status()
	answer(w, http.StatusOK, Replaced{Generation: st.Generation, PID: st.PID, Successor: st.Successor, Elapsed: Seconds(time.Since(began))})
}

// againEvery is how often restart tries again while another restart is under way that
// was not asked for here, but by a signal or by the program.
const againEvery = 50 * time.Millisecond

// restart waits for its turn, then restarts. It returns channels that are closed when
// the history knows that this restart has replaced the process, and when it is undone.
func (s *Service) restart(ctx context.Context) (replaced, undone <-chan struct{}, err error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-s.process.Draining():
		return nil, nil, restart.ErrStopped
	case <-ctx.Done():
		return nil, nil, fmt.Errorf("another restart is under way: %w", context.Cause(ctx))
	}
	again := time.NewTicker(againEvery)
	defer again.Stop()
	for {
		// Taken before: it may be undone at once.
		replaced, undone := s.history.whenReplaced(), s.history.whenUndone()
		err := s.process.Restart(ctx)
		if !errors.Is(err, restart.ErrRestarting) {
			return replaced, undone, err
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("another restart is under way: %w", context.Cause(ctx))
		}
	}
}

func (s *Service) answerFailure(w http.ResponseWriter, err error) {
	e := &Error{Code: CodeRefused, Text: err.Error()}
	status := http.StatusConflict
	failed, isFailure := errors.AsType[*restart.RestartError](err)
	switch {
	case errors.Is(err, restart.ErrStopped):
		status = s.completeStopped(w, e)
	case isFailure:
		status, e.Code = http.StatusFailedDependency, CodeFailed
		e.Phase, e.Cause, e.PID = failed.Phase.String(), failed.Err.Error(), failed.PID
		e.Exit, e.Stderr = failed.Exit, failed.Stderr
	case errors.Is(err, errors.ErrUnsupported):
		status, e.Code = http.StatusNotImplemented, CodeUnsupported
	}
	answer(w, status, e)
}
