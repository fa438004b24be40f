package restarttest

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/internal/channel"
)

// patience bounds every wait. It is a guard against hanging: nothing fails for
// being slow.
const patience = 30 * time.Second

// A Setup is the part of a program's main between [restart.New] and
// [restart.Restarter.Run]: it adds services and hooks. The generation runs when
// Setup has returned nil. An error ends the generation, as log.Fatal ends a
// process; its text takes the place of the last words on standard error.
//
// A Setup runs on a goroutine of its own: it must return errors, and not call
// t.Fatal.
type Setup func(*restart.Restarter) error

// A Program is a program under test. All its generations live in the process of
// the test. Several goroutines may call its methods.
type Program struct {
	t       testing.TB
	options restart.Options
	network network
	log     slog.Handler

	mu          sync.Mutex
	setup       Setup
	generations []*Generation // in the order of their starts

	over chan struct{} // closed when the test has ended
}

// New returns a program that does not run yet. Each of its generations gets the
// options. The log goes to the test's output, unless Options.Logger is set.
// Options.Command is called at each restart, but what is started is a [Setup].
// Options.PIDFile must be empty, since all generations have the PID of the test.
//
// When the test ends, so do the generations, by force. The test fails if one does
// not end, or if Run of one that served has returned an error that no call of
// [Generation.Wait] has seen.
func New(t testing.TB, o restart.Options) *Program {
	t.Helper()
	return newProgram(t, o, sockets{})
}

// NewInMemory returns a program whose listeners are in memory. It opens no
// sockets, so it can run in a bubble of [testing/synctest], where
// Options.HammerTime and the timers of services pass at once. Clients connect by
// [Program.Dial]. A connection is one of [net.Pipe]: a write waits until the other
// end reads.
//
// What is in memory cannot be passed on, so such a program has one generation,
// and Restart is refused. AddPacket opens a real socket, also here.
func NewInMemory(t testing.TB, o restart.Options) *Program {
	t.Helper()
	return newProgram(t, o, newMemory())
}

func newProgram(t testing.TB, o restart.Options, n network) *Program {
	t.Helper()
	if o.PIDFile != "" {
		t.Fatalf("restarttest: Options.PIDFile is %q: all generations have the PID of the test, so leave it empty", o.PIDFile)
	}
	p := &Program{t: t, options: o, network: n, over: make(chan struct{})}
	if o.Logger != nil {
		p.log = o.Logger.Handler()
	} else {
		p.log = slog.NewTextHandler(t.Output(), nil)
	}
	t.Cleanup(p.end)
	return p
}

// Start starts the first generation and returns it when it serves. If it does
// not, the test ends there: only the goroutine of the test may call Start. Start may be
// called again once nothing serves any more, as a supervisor starts a program anew. The
// new generation inherits nothing.
func (p *Program) Start(s Setup) *Generation {
	p.t.Helper()
	if g := p.serving(); g != nil {
		p.t.Fatalf("restarttest: start: generation %d serves: call Restart", g.number)
	}
	p.Install(s)
	g, err := p.begin(nil, nil, nil)
	if err != nil {
		p.t.Fatalf("restarttest: start: %v", err)
	}
	select {
	case <-g.served:
	case <-g.gone:
		p.t.Fatalf("restarttest: start: %v", g.Wait())
	case <-time.After(patience):
		p.t.Fatalf("restarttest: start: the program does not serve after %v: has each service called Accept?", patience)
	}
	return g
}

// Install says what a restart starts, as renaming a new binary into the place of
// the old one does. It restarts nothing. It is for restarts by
// [Generation.Signal], or by Restart of a Restarter.
func (p *Program) Install(s Setup) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.setup = s
}

// Restart installs s, restarts the generation that serves, and returns the new
// one when that serves. The error is what [restart.Restarter.Restart] returns: a
// *[restart.RestartError] if the successor failed. The old generation serves on
// then. The attempt ends with the test's context.
func (p *Program) Restart(s Setup) (*Generation, error) {
	g := p.serving()
	if g == nil {
		return nil, errors.New("restarttest: restart: nothing serves: call Start")
	}
	p.Install(s)
	if err := g.Restarter.Restart(p.t.Context()); err != nil {
		return nil, err
	}
	return g.Next()
}

// Addr returns the address of the listener with this name, in the latest
// generation that has come to serve. The test fails if there is none.
func (p *Program) Addr(name string) string {
	p.t.Helper()
	l, err := p.listener(name)
	if err != nil {
		p.t.Error(err)
	}
	return l.Address
}

// Dial connects to the listener with this name, in the latest generation that has
// come to serve. The connection is the caller's to close.
func (p *Program) Dial(name string) (net.Conn, error) {
	l, err := p.listener(name)
	if err != nil {
		return nil, err
	}
	return p.network.dial(l.Network, l.Address)
}

func (p *Program) listener(name string) (restart.ListenerStatus, error) {
	for _, g := range slices.Backward(p.all()) {
		if !g.hasServed() {
			continue
		}
		for _, l := range g.Status().Listeners {
			if l.Name == name {
				return l, nil
			}
		}
		return restart.ListenerStatus{}, fmt.Errorf("restarttest: generation %d has no listener %q", g.number, name)
	}
	return restart.ListenerStatus{}, fmt.Errorf("restarttest: listener %q: nothing has served yet: call Start", name)
}

// Latest returns the generation that was started last, nil if none was. It need
// not serve yet, or ever: the way to Kill or Signal one that still starts. Before
// its Setup is called it has no Restarter.
func (p *Program) Latest() *Generation {
	all := p.all()
	if len(all) == 0 {
		return nil
	}
	return all[len(all)-1]
}

// begin starts a generation. Its parent and the channel to that are nil on a cold
// start. It takes the channel.
func (p *Program) begin(parent *Generation, conn *channel.Conn, lastWords io.Writer) (*Generation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if isClosed(p.over) {
		if conn != nil {
			conn.Close()
		}
		return nil, errors.New("the test has ended")
	}
	g := newGeneration(p, parent, conn, lastWords)
	p.generations = append(p.generations, g)
	go g.live(p.setup)
	return g, nil
}

// all returns the generations that were started.
func (p *Program) all() []*Generation {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.generations)
}

// serving returns the generation that serves, nil if there is none.
func (p *Program) serving() *Generation {
	for _, g := range slices.Backward(p.all()) {
		if !g.hasServed() || isClosed(g.dead) {
			continue
		}
		if s := g.Status().State; s == restart.StateServing || s == restart.StateRestarting {
			return g
		}
	}
	return nil
}

// end ends what still runs when the test is over.
func (p *Program) end() {
	p.mu.Lock()
	close(p.over)
	p.mu.Unlock()
	var ending sync.WaitGroup
	for _, g := range p.all() {
		ending.Go(func() {
			if err := g.stop(); err != nil {
				p.t.Errorf("restarttest: %v", err)
			}
		})
	}
	ending.Wait()
}
