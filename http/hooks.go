package restarthttp

import (
	"errors"
	"os"
	"sync"

	"example.com/restart"
)

// Before keeps a hook that runs before what sig does, see
// [restart.Restarter.Before]. [Serve] and the ListenAndServe methods register it
// with the Restarter, and return its error. In a program with a Restarter of its
// own that is never called, so the hook would never run: Serve, the method, then
// fails. Use Restarter.Before there. Before returns an error if the server was
// started already.
func (s *Server) Before(sig os.Signal, h restart.Hook) error {
	return s.hooks.keep(keptHook{before, sig, h})
}

// After keeps a hook that runs after what sig does, see
// [restart.Restarter.After]. Otherwise it is like Before.
func (s *Server) After(sig os.Signal, h restart.Hook) error {
	return s.hooks.keep(keptHook{after, sig, h})
}

// A keptHook waits for a Restarter.
type keptHook struct {
	when when
	sig  os.Signal
	hook restart.Hook
}

type when int

const (
	before when = iota
	after
)

// hooks keeps the hooks of a server until it is started, which is once.
type hooks struct {
	mu      sync.Mutex
	started bool
	kept    []keptHook
}

var (
	errStarted = errors.New("it was started before")
	errLate    = errors.New("restart/http: add a hook: the server was started before: use Restarter.Before or Restarter.After")
	errOrphans = errors.New("restart/http: hooks of Server.Before or Server.After would never run, because another Restarter than Default serves the server: use Restarter.Before and Restarter.After")
)

func (h *hooks) keep(k keptHook) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return errLate
	}
	h.kept = append(h.kept, k)
	return nil
}

// start notes that the server is started and returns its hooks.
func (h *hooks) start() ([]keptHook, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.started {
		return nil, errStarted
	}
	h.started = true
	kept := h.kept
	h.kept = nil
	return kept, nil
}

// refuse fails if there are hooks that nobody has registered.
func (h *hooks) refuse() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = true
	if len(h.kept) > 0 {
		return errOrphans
	}
	return nil
}

// register adds hooks to r.
func register(r *restart.Restarter, kept []keptHook) error {
	for _, k := range kept {
		add := r.Before
		if k.when == after {
			add = r.After
		}
		if err := add(k.sig, k.hook); err != nil {
			return err
		}
	}
	return nil
}
