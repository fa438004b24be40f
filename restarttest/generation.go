package restarttest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart"
	"example.com/restart/internal/channel"
	"example.com/restart/internal/inprocess"
)

// A Generation is one generation of a [Program]. It has the methods of its
// Restarter: Status, Shutdown, Hammer, Draining, Alone and the others. The program has
// called Run itself. Several goroutines may call the methods of a Generation.
type Generation struct {
	*restart.Restarter

	program   *Program
	number    int
	parent    *Generation   // nil on a cold start
	conn      *channel.Conn // to the parent; nil on a cold start
	lastWords io.Writer     // gets what main would log; nil on a cold start
	signals   signals
	life      lifeline

	served chan struct{} // closed when it serves and its parent knows
	dead   chan struct{} // closed at the end of the process, as others see it
	gone   chan struct{} // closed when its goroutines have ended, too

	mu        sync.Mutex
	exit      func()        // closes what it has open; nil before restart.New
	child     *Generation   // started last
	successor *Generation   // the child that serves
	replaced  chan struct{} // closed when there is a successor
	status    string        // how it died, as os.ProcessState would say it
	err       error         // of Run or Setup; set before gone

	servedOnce sync.Once
	deadOnce   sync.Once
	waited     atomic.Bool // somebody knows err
}

func newGeneration(p *Program, parent *Generation, conn *channel.Conn, lastWords io.Writer) *Generation {
	g := &Generation{
		program: p, number: 1, parent: parent, conn: conn, lastWords: lastWords,
		served: make(chan struct{}), dead: make(chan struct{}), gone: make(chan struct{}),
		replaced: make(chan struct{}),
	}
	if parent != nil {
		g.number = parent.number + 1
		parent.mu.Lock()
		parent.child = g
		if parent.successor != nil { // that restart was undone
			parent.successor, parent.replaced = nil, make(chan struct{})
		}
		parent.mu.Unlock()
	}
	return g
}

// Next waits for the successor of g, and returns it when it serves and g accepts no
// more: g drains, or is on probation. That is for restarts by [Generation.Signal] or
// [restart.Restarter.Restart], and for a successor that takes over because g was
// killed. It is an error if g ends, or has ended, without a successor.
func (g *Generation) Next() (*Generation, error) {
	bound := time.NewTimer(patience)
	defer bound.Stop()
	gone := g.gone
	for {
		successor, replaced := g.next()
		if successor != nil {
			g.stopsAccepting()
			return successor, nil
		}
		select {
		case <-replaced:
		case <-gone:
			child := g.lastChild()
			successor, _ = g.next()
			if child == nil || isClosed(child.gone) && successor == nil {
				return nil, fmt.Errorf("restarttest: generation %d has ended without a successor", g.number)
			}
			gone = child.gone // it may take over
		case <-bound.C:
			return nil, fmt.Errorf("restarttest: generation %d has no successor after %v: %w", g.number, patience, g.Status().LastError)
		}
	}
}

// next returns the successor, or what is closed when there is one.
func (g *Generation) next() (successor *Generation, replaced <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.successor, g.replaced
}

// stopsAccepting waits until g accepts no more: for a moment, two generations do.
// On probation it has stopped, or it serves again.
func (g *Generation) stopsAccepting() {
	for g.Status().State == restart.StateRestarting && !isClosed(g.gone) {
		time.Sleep(time.Millisecond) // it is about to hear of its successor
	}
	// Refused, but not before all listeners are stopped.
	_ = g.HammerEarlier(0)
}

func (g *Generation) lastChild() *Generation {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.child
}

// Wait waits for the end of g, and returns what its Run has returned. That is nil
// when g has drained in good order. Wait gives up with an error when that takes
// half a minute longer than Options.HammerTime.
func (g *Generation) Wait() error {
	within := patience + max(0, g.program.options.HammerTime)
	if g.program.options.HammerTime == 0 {
		within += restart.DefaultHammerTime
	}
	return g.wait(within)
}

func (g *Generation) wait(within time.Duration) error {
	bound := time.NewTimer(within)
	defer bound.Stop()
	select {
	case <-g.gone:
		g.waited.Store(true)
		return g.err
	case <-bound.C:
		return fmt.Errorf("restarttest: generation %d has not ended after %v: %s", g.number, within, g.doing())
	}
}

// doing says what keeps a generation.
func (g *Generation) doing() string {
	if r := g.restarter(); r != nil {
		s := r.Status()
		n := 0
		for _, l := range s.Listeners {
			n += l.Connections
		}
		return fmt.Sprintf("it is %v, with %d connections", s.State, n)
	}
	return "its Setup has not returned"
}

// Kill ends g like SIGKILL: its listeners, its connections and its channels to
// other generations are closed at once, as the kernel closes them. Nothing is said
// to anybody. Kill cannot end goroutines, so services of g are shut down
// afterwards; what they do then reaches nobody. Files that they have opened stay
// open.
func (g *Generation) Kill() { g.kill(syscall.SIGKILL) }

// Signal sends g a signal, as kill(1) does to a process: its hooks run, SIGHUP
// restarts, SIGTERM stops, and so on. Signal does not wait. A signal that g has not
// taken, such as SIGUSR1 without a hook, ends it like Kill, unless the kernel would
// ignore it. The process of the test gets no signal.
func (g *Generation) Signal(sig os.Signal) {
	if sig == syscall.SIGKILL || !g.signals.deliver(sig) && !ignoredByDefault(sig) {
		g.kill(sig)
	}
}

func (g *Generation) kill(sig os.Signal) {
	g.die("signal: " + sig.String())
	if r := g.restarter(); r != nil {
		r.Shutdown()
		go g.hammer(r)
	}
}

// hammer ends the drain of g by force as soon as it begins.
func (g *Generation) hammer(r *restart.Restarter) {
	select {
	case <-r.Draining():
		r.Hammer()
	case <-g.gone:
	}
}

// live runs the program of g to its end.
func (g *Generation) live(setup Setup) {
	err := errors.New("restarttest: Setup has called runtime.Goexit, perhaps by t.Fatal: it must return an error")
	defer func() { g.end(err) }()
	err = g.main(setup)
}

func (g *Generation) main(setup Setup) error {
	o := g.program.options
	o.Logger = slog.New(mortal{g.program.log, g.dead, g.program.over})
	r, exit, err := inprocess.New[restart.Options, *restart.Restarter]()(o, g.host())
	if err != nil {
		return err
	}
	g.mu.Lock()
	g.Restarter, g.exit = r, exit
	g.mu.Unlock()
	if isClosed(g.dead) { // killed while there was nothing to close
		exit()
		return nil
	}
	go func() {
		select {
		case <-r.Serving():
			g.serves()
		case <-g.dead:
		}
	}()
	if err := setup(r); err != nil || isClosed(g.dead) {
		return err
	}
	return r.Run(context.Background())
}

// restarter returns the Restarter, nil if there is none yet.
func (g *Generation) restarter() *restart.Restarter {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.Restarter
}

// serves lets everybody know that g serves.
func (g *Generation) serves() {
	g.servedOnce.Do(func() {
		close(g.served)
		if p := g.parent; p != nil {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.successor = g
			close(p.replaced)
		}
	})
}

func (g *Generation) hasServed() bool { return isClosed(g.served) }

// end is the end of main.
func (g *Generation) end(err error) {
	if r := g.restarter(); r != nil && isClosed(r.Serving()) {
		g.serves()
	}
	status := "exit status 0"
	if err != nil {
		status = "exit status 1"
		if g.lastWords != nil && !isClosed(g.dead) {
			fmt.Fprintln(g.lastWords, err)
		}
	}
	g.die(status)
	g.life.close()
	if g.wasKilled() {
		err = fmt.Errorf("restarttest: generation %d: %s", g.number, g.status)
	}
	g.err = err
	close(g.gone)
}

// die is the end of the process as others see it: the kernel closes what it had
// open.
func (g *Generation) die(status string) {
	g.deadOnce.Do(func() {
		g.status = status
		close(g.dead)
		g.mu.Lock()
		exit, child := g.exit, g.child
		g.mu.Unlock()
		if child != nil {
			child.conn.Cut()
		}
		if exit != nil {
			exit()
		}
		if g.conn != nil {
			g.conn.Close()
		}
		g.life.end()
	})
}

// stop ends g at the end of the test. The error is why it does not end, or the
// one that it ended with if nobody knows that.
func (g *Generation) stop() error {
	if g.hasServed() {
		g.Shutdown()
		go g.hammer(g.Restarter)
	} else {
		g.Kill()
	}
	known := g.waited.Load() || !g.hasServed() // who asked for a restart has its error
	err := g.wait(patience)
	if isClosed(g.gone) && (known || g.wasKilled()) {
		return nil
	}
	return err
}

// wasKilled is for a generation that is dead.
func (g *Generation) wasKilled() bool { return strings.HasPrefix(g.status, "signal: ") }

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
