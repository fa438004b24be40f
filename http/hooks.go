package restarthttp

import (
	"errors"
	"os"
	"sync"

	"example.com/restart"
)

// Before adds a hook that runs before what sig does, see
// [restart.Restarter.Before]. [Serve] and the ListenAndServe methods register it
// with the [Default] Restarter, and return the error if that fails. Before returns
// an error if the server was started already.
//
// A program that adds the Server to a Restarter of its own must use
// Restarter.Before instead. Otherwise the hook would never run, and so
// [Server.Serve] fails.
func (s *Server) Before(sig os.Signal, h restart.Hook) error {
	return s.hooks.add(pendingHook{before, sig, h})
}

// After is like Before for a hook that runs after what sig does, see
// [restart.Restarter.After].
func (s *Server) After(sig os.Signal, h restart.Hook) error {
	return s.hooks.add(pendingHook{after, sig, h})
}

// A pendingHook is to be registered with a Restarter.
type pendingHook struct {
	when when
	sig  os.Signal
	hook restart.Hook
}

type when int

const (
	before when = iota
	after
)

// hooks are the hooks of a server until it is started, which is once.
type hooks struct {
	mu      sync.Mutex
	started bool
	pending []pendingHook
}

var (
	errStarted  = errors.New("it was started before: make a new Server")
	errLate     = errors.New("restart/http: add a hook: the server was started before: use Restarter.Before or Restarter.After")
	errNeverRun = errors.New("restart/http: serve: hooks of Server.Before or Server.After would never run, because the server was added to a Restarter by Restarter.Add: use Restarter.Before and Restarter.After")
)

func (h *hooks) add(p pendingHook) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return errLate
	}
	h.pending = append(h.pending, p)
	return nil
}

// start notes that the server is started and returns its hooks.
func (h *hooks) start() ([]pendingHook, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return nil, errStarted
	}
	h.started = true
	pending := h.pending
	h.pending = nil
	return pending, nil
}

// checkNonePending notes that the server serves. It fails if there are hooks that
// nobody has registered.
func (h *hooks) checkNonePending() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = true
	if len(h.pending) > 0 {
		return errNeverRun
	}
	return nil
}

func register(r *restart.Restarter, hooks []pendingHook) error {
	for _, h := range hooks {
		add := r.Before
		if h.when == after {
			add = r.After
		}
		if err := add(h.sig, h.hook); err != nil {
			return err
		}
	}
	return nil
}
