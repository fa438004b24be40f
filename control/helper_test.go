//go:build linux

package control

import (
	"context"
	"net"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"example.com/restart"
)

// patience bounds every wait. It guards against hanging, it measures nothing.
const patience = 30 * time.Second

// A fakeProcess restarts as the test says.
type fakeProcess struct {
	restart  func(context.Context) error
	canceled func() bool
	hammered func(generation int) error

	mu       sync.Mutex
	status   restart.Status
	observer func(restart.Event)
	draining chan struct{}
	stopped  chan struct{}
	undo     func(reason string) error
}

func newFakeProcess() *fakeProcess {
	return &fakeProcess{
		status:   restart.Status{State: restart.StateServing, Generation: 3, PID: 4711},
		draining: make(chan struct{}),
		stopped:  make(chan struct{}),
	}
}

func (p *fakeProcess) Restart(ctx context.Context) error    { return p.restart(ctx) }
func (p *fakeProcess) CancelRestart() bool                  { return p.canceled() }
func (p *fakeProcess) Shutdown()                            { close(p.stopped) }
func (p *fakeProcess) Hammer()                              {}
func (p *fakeProcess) HammerEarlier(generation int) error   { return p.hammered(generation) }
func (p *fakeProcess) Draining() <-chan struct{}            { return p.draining }
func (p *fakeProcess) OnEvent(observer func(restart.Event)) { p.observer = observer }
func (p *fakeProcess) Undo(reason string) error             { return p.undo(reason) }

func (p *fakeProcess) set(change func(*restart.Status)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	change(&p.status)
}

func (p *fakeProcess) Status() restart.Status { p.mu.Lock(); defer p.mu.Unlock(); return p.status }

// listen serves p on a control socket.
func listen(t *testing.T, p process) (*Service, Client) {
	t.Helper()
	return listenOn(t, p, filepath.Join(t.TempDir(), "control.sock"))
}

func listenOn(t *testing.T, p process, path string) (*Service, Client) {
	t.Helper()
	s := newService(p)
	config := net.ListenConfig{Control: s.PrepareSocket}
	l, err := config.Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	t.Cleanup(func() { s.Close(); <-served })
	return s, Client{Path: path}
}

// receive waits for a value.
func receive[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(patience):
		t.Fatal("nothing has come")
		panic("unreachable")
	}
}
