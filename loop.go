package restart

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
)

// A loop is the one goroutine that owns the state of a Restarter while it
// runs. Everything that happens reaches it as a message, and what takes time is
// done by goroutines that send one when they have finished.
type loop struct {
	r   *Restarter
	log *slog.Logger

	state State
	stage stage // within StateStarting

	taken     int         // sockets of the table whose services were started
	accepting int         // of those, the ones that have called Accept
	serving   int         // of those, the ones whose Serve has not returned
	settled   bool        // nobody else will be added
	settle    *time.Timer // when that is so
	services  *errgroup.Group
	failing   context.Context // ends with the first service that fails
	failures  failureList
	served    chan struct{} // closed when all of them have returned

	signals    dispatcher
	hooks      sync.WaitGroup // hooks that run
	hookCtx    context.Context
	interrupts int  // SIGINTs so far
	again      bool // a restart was asked for while another was under way
	told       bool // and the successor knows

	attempt   *attempt
	draining  *drain
	successor *successor
	lastError error

	sources []*source // where connections come from

	swung  chan struct{} // closed by the hammer
	result error

	goroutines sync.WaitGroup // those that post
	dead       chan struct{}  // closed when nobody receives any more
}

// An attempt is a restart that is under way.
type attempt struct {
	cancel context.CancelCauseFunc
	reply  func(error)
	began  time.Time
	stop   string // not empty: stop when it has ended, and why
}

// A message is something that has happened. The set is closed: they are all in
// messages.go.
type message interface{ handle(*loop) }

func newLoop(r *Restarter) *loop {
	l := &loop{
		r:       r,
		log:     r.log,
		served:  make(chan struct{}),
		signals: dispatcher{busy: make(map[os.Signal]bool), pending: make(map[os.Signal]bool)},
		swung:   make(chan struct{}),
		dead:    make(chan struct{}),
	}
	l.services, l.failing = errgroup.WithContext(context.Background())
	return l
}

func (l *loop) run(ctx context.Context) error {
	hookCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.hookCtx = hookCtx
	l.settle = time.NewTimer(l.r.options.SettleTime)
	defer l.settle.Stop()
	l.settled = l.r.options.SettleTime == 0
	l.begin()

	done, stopped, failing := ctx.Done(), l.r.stopped, l.failing.Done()
	for l.state != StateStopped {
		l.progress()
		l.publish()
		select {
		case m := <-l.r.inbox:
			m.handle(l)
		case sig := <-l.r.signals:
			l.onSignal(sig)
		case <-l.r.table.added:
			l.startServices()
		case <-failing:
			failing = nil // the first failure stops the rest
			l.fail(context.Cause(l.failing))
		case <-l.settle.C:
			l.settled = true
		case <-l.r.hammer:
			l.swing("Hammer")
		case <-done:
			done = nil
			l.stop("context: " + context.Cause(ctx).Error())
		case <-stopped:
			stopped = nil
			l.stop("Shutdown")
		}
	}
	l.publish()
	cancel()
	l.end()
	return l.result
}

// begin takes the signals and starts what was added so far. On a cold start
// nobody has to be asked before services accept.
func (l *loop) begin() {
	l.to(StateStarting)
	l.r.hooks.run()
	if l.r.pred == nil {
		l.stage = stageAlone
		if pid := pidInUse(l.r.options.PIDFile); pid != 0 {
			l.log.Warn("restart: the PID file names another process that runs: if that is this program, each takes the file from the other", "file", l.r.options.PIDFile, "other", pid)
		}
		if err := writePIDFile(l.r.options.PIDFile); err != nil {
			l.fail(err)
			return
		}
	} else {
		l.watchPredecessor()
	}
	l.startServices()
}

// end waits for what this loop started. Hooks are foreign code: they are not
// waited for without bound.
func (l *loop) end() {
	hooks := make(chan struct{})
	go func() { l.hooks.Wait(); close(hooks) }()
	bound := time.NewTimer(closeGrace)
	defer bound.Stop()
	for waiting := true; waiting; {
		select {
		case m := <-l.r.inbox:
			m.handle(l) // refused or released
		case <-hooks:
			waiting = false
		case <-bound.C:
			l.log.Warn("restart: a hook is still running; not waiting for it")
			waiting = false
		}
	}
	close(l.dead)
	if l.r.pred != nil {
		l.closeSources()
		for _, line := range l.r.pred.lifelines {
			line.cut()
		}
	}
	if l.successor != nil {
		l.successor.leave()
	}
	l.goroutines.Wait()
}

func (l *loop) to(s State) {
	l.log.Debug("restart: state", "from", l.state.String(), "to", s.String())
	l.state = l.state.move(s)
}

// post sends m to the loop from another goroutine, and reports whether it was
// received.
func (l *loop) post(m message) bool {
	select {
	case l.r.inbox <- m:
		return true
	case <-l.dead:
		return false
	}
}

func (l *loop) publish() {
	s := &Status{State: l.state, Generation: l.r.generation, PID: os.Getpid(), LastError: l.lastError}
	if l.successor != nil {
		s.Successor = l.successor.pid
		s.HandedOver, _, _ = l.successor.courier.counts()
	}
	if l.draining != nil {
		s.Cut = int(l.draining.wasCut.Load())
	}
	l.r.status.Store(s)
}

// startServices starts the services that were added since the last time.
func (l *loop) startServices() {
	if l.state == StateDraining || l.state == StateStopped {
		return
	}
	if l.state == StateStarting && l.r.options.SettleTime > 0 {
		l.settled = false
		l.settle.Reset(l.r.options.SettleTime)
	}
	for _, s := range l.r.table.take(l.taken) {
		l.taken++
		if s.ln == nil && l.held() {
			continue // a datagram socket has no gate: started by open
		}
		l.serve(s)
	}
}

// held reports whether services must wait for the predecessor's "go".
func (l *loop) held() bool { return l.state == StateStarting && l.stage != stageAlone }

func (l *loop) serve(s *socket) {
	l.serving++
	if s.ln == nil {
		l.accepting++
	} else {
		if !l.held() {
			s.ln.open()
		}
		l.goroutines.Go(func() {
			select {
			case <-s.ln.accepting:
				l.post(nowAccepting{})
			case <-l.dead:
			}
		})
	}
	l.services.Go(func() error {
		err := s.serve()
		if err == nil || isClosing(err) {
			l.post(serviceDone{})
			return nil
		}
		err = fmt.Errorf("restart: service %q: %w", s.name, err)
		l.failures.add(err)
		return err
	})
}

// A failureList holds what services returned from Serve: errgroup keeps the first
// only.
type failureList struct {
	mu   sync.Mutex
	errs []error
}

func (f *failureList) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failureList) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.errs)
}

// open lets everything accept that was started, and starts what could not be
// held back.
func (l *loop) open() {
	for _, s := range l.r.table.list()[:l.taken] {
		if s.ln != nil {
			s.ln.open()
		} else {
			l.serve(s)
		}
	}
}

// onSignal does at once what must not wait for hooks, and hands the rest to
// the dispatcher.
func (l *loop) onSignal(sig os.Signal) {
	l.log.Info("restart: signal", "signal", sig.String())
	ending := sig == os.Interrupt || sig == syscall.SIGTERM
	if sig == os.Interrupt {
		l.interrupts++
	}
	switch {
	case ending && l.held():
		l.giveUp(fmt.Errorf("restart: stopped by signal %v before it took over", sig))
	case sig == os.Interrupt && l.interrupts > 1 && l.state == StateDraining:
		l.swing("second signal " + sig.String())
	default:
		l.handle(sig)
	}
}
