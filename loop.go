package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/hashicorp/go-multierror"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/transfer"
)

// A loop is the goroutine that owns the state of a Restarter while it runs. Its
// methods run on that goroutine only, and none of them waits. Work that takes
// time is done by other types on goroutines of their own, which get values and
// a mailbox, and send a message when something has happened.
type loop struct {
	r       *Restarter
	log     *slog.Logger
	mail    mailbox
	manager manager.Manager

	state    State
	services *services
	actions  actions
	starting starting

	attempt    *attempt             // while restarting
	successor  *handshake.Successor // from the moment when it serves
	sender     *transfer.Sender     // to it
	drain      *drain               // while draining
	receivers  []*transfer.Receiver // of what earlier generations send
	disowned   bool                 // the predecessor serves on at all our paths
	lastError  error                // of the last restart
	result     error                // what Run will return
	goroutines sync.WaitGroup
}

// The messages: everything that may happen to a loop, apart from signals and the
// channels in run. Only handle looks into them.
type (
	message any

	// From callers of the API.
	restartAsked struct {
		ctx   context.Context
		reply func(error)
	}

	// From services.
	serviceAccepts struct{} // has called Accept for the first time
	serviceEnded   struct{} // Serve has returned without an error

	// From actions, see signal.go.
	actionAgreed struct { // the Before hooks have agreed
		action *action
		done   chan<- struct{} // closed when the effect is over
	}
	actionVetoed struct { // a Before hook has not
		action *action
		err    error
	}
	actionEnded struct{ action *action } // the last After hook has returned

	// From an attempt, see restarting.go.
	againAsked   struct{ reply chan<- bool } // was another restart asked for?
	attemptEnded struct {
		successor *handshake.Successor // serves
		err       error                // or why there is none
	}

	// From the predecessor, see starting.go.
	commitAsked   struct{ reply chan<- error }
	takeOverAsked struct {
		again bool
		reply chan<- bool
	}
	followEnded struct{ err error } // the handshake is over; nil: we serve
	disowned    struct{ reason string }
	channelCame struct { // an earlier generation sends on conn
		conn  *channel.Conn
		names map[string]string
	}
	ancestorEnded struct{ line handshake.Lifeline } // one of the earlier generations
	ancestorsGone struct{}                          // all of them

	// From the drain.
	drainEnded struct{ err error }
)

func (l *loop) handle(m message) {
	switch m := m.(type) {
	case restartAsked:
		l.askRestart(m.ctx, m.reply)
	case serviceAccepts:
		l.services.accepting++
	case serviceEnded:
		l.services.running--
		if l.services.running == 0 && l.state != StateDraining {
			l.stop("every service has ended")
		}
	case actionAgreed:
		l.perform(m.action, m.done)
	case actionVetoed:
		l.veto(m.action, m.err)
	case actionEnded:
		l.endAction(m.action)
	case againAsked:
		m.reply <- l.attempt.passAgain()
	case attemptEnded:
		l.endAttempt(m.successor, m.err)
	case commitAsked:
		m.reply <- l.commit()
	case takeOverAsked:
		m.reply <- l.takeOver(m.again)
	case followEnded:
		l.endFollow(m.err)
	case disowned:
		l.disown(m.reason)
	case channelCame:
		l.receiveOn(m.conn, m.names)
	case ancestorEnded:
		l.log.Info("restart: an earlier generation has ended", "ended", m.line.Generation, "ended_pid", m.line.PID)
	case ancestorsGone:
		close(l.r.alone)
	case drainEnded:
		l.finish(m.err)
	case inLoop:
		m(l)
	}
}

// inLoop is for tests.
type inLoop func(*loop)

// A mailbox takes messages to a loop from other goroutines.
type mailbox struct {
	in     chan message
	closed chan struct{} // nobody receives any more
}

func newMailbox() mailbox {
	return mailbox{in: make(chan message), closed: make(chan struct{})}
}

// post sends m and reports whether it was received.
func (b mailbox) post(m message) bool {
	select {
	case b.in <- m:
		return true
	case <-b.closed:
		return false
	}
}

func newLoop(r *Restarter) *loop {
	return &loop{
		r:        r,
		log:      r.log,
		mail:     r.mail,
		manager:  r.sys.manager,
		services: newServices(r.mail),
		actions:  newActions(),
	}
}

// run is the life of a process from Run on.
func (l *loop) run(ctx context.Context) error {
	hookCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	l.actions.ctx = hookCtx
	l.begin()

	done, stopped, failing := ctx.Done(), l.r.stopped, l.services.failing.Done()
	for l.state != StateStopped {
		l.proceed()
		l.publish()
		select {
		case m := <-l.mail.in:
			l.handle(m)
		case sig := <-l.r.signals:
			l.onSignal(sig)
		case <-l.r.table.added:
			l.startServices()
		case <-failing:
			failing = nil // the first failure stops the rest
			l.fail(context.Cause(l.services.failing))
		case <-l.starting.settling():
			l.starting.settled = true
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

// transitions lists every legal step from one state to the next. A successor
// that is told to give up, and a process that cannot start, go from starting
// straight to draining: there is nothing to drain then, but services are closed
// in the same way.
var transitions = map[State][]State{
	StateNew:        {StateStarting},
	StateStarting:   {StateServing, StateDraining},
	StateServing:    {StateRestarting, StateDraining},
	StateRestarting: {StateServing, StateDraining},
	StateDraining:   {StateStopped},
	StateStopped:    {},
}

// to makes the step to another state.
func (l *loop) to(next State) {
	l.log.Debug("restart: state", "from", l.state.String(), "to", next.String())
	l.state = l.state.step(next)
	l.publish()
	l.r.sys.entered(next)
}

// step returns next. An illegal step is a bug of this package: going on could
// leave two processes that serve, or none.
func (s State) step(next State) State {
	if !slices.Contains(transitions[s], next) {
		panic(fmt.Sprintf("restart: illegal step from %v to %v", s, next))
	}
	return next
}

// publish lets Status see where the loop stands.
func (l *loop) publish() {
	s := &Status{State: l.state, Generation: l.r.generation, PID: os.Getpid(), LastError: l.lastError}
	if l.successor != nil {
		s.Successor = l.successor.PID
		s.HandedOver = l.sender.Counts().Moved
	}
	if l.drain != nil {
		s.Cut = int(l.drain.wasCut.Load())
	}
	l.r.setStatus(s)
}

// onSignal does at once what must not wait for hooks, and starts an action for
// the rest.
func (l *loop) onSignal(sig os.Signal) {
	l.log.Info("restart: signal", "signal", sig.String())
	if sig == os.Interrupt {
		l.actions.interrupts++
	}
	switch {
	case isEnding(sig) && l.held():
		l.stopHeld(fmt.Errorf("restart: stopped by signal %v before it took over", sig))
	case sig == os.Interrupt && l.actions.interrupts > 1 && l.state == StateDraining:
		l.swing("second signal " + sig.String())
	case sig == syscall.SIGHUP && (l.state == StateStarting || l.state == StateRestarting):
		l.askAgain()
	default:
		l.act(&action{sig: sig, ctx: l.actions.ctx, reply: l.logFailure})
	}
}

// stop begins a drain without a successor. An attempt that is under way is
// ended first: should it have come too far, its successor serves on.
func (l *loop) stop(why string) {
	switch l.state {
	case StateRestarting:
		l.attempt.thenStop = why
		l.attempt.cancel(fmt.Errorf("stopping: %s", why))
	case StateStarting:
		if l.held() {
			l.stopHeld(fmt.Errorf("restart: stopped before it took over: %s", why))
			return
		}
		fallthrough
	case StateServing:
		l.log.Info("restart: stopping", "why", why)
		l.startDrain()
	case StateNew, StateDraining, StateStopped:
		l.log.Info("restart: draining already", "why", why)
	}
}

// fail stops because a service, or the start, has failed.
func (l *loop) fail(err error) {
	if err == context.Canceled {
		return // errgroup ends its context after the last service, too
	}
	l.log.Error("restart: stopping", "error", err)
	if l.held() {
		l.giveUp(err)
		return
	}
	l.result = join(l.result, err)
	switch l.state {
	case StateDraining:
	case StateRestarting:
		// The successor may be what is needed now, so it is not ended for our
		// failure. If it fails too, this process stops.
		l.attempt.thenStop = err.Error()
	default:
		l.stop(err.Error())
	}
}

// swing ends the drain by force.
func (l *loop) swing(why string) {
	if l.state != StateDraining {
		l.log.Info("restart: nothing drains, hammer ignored", "why", why)
		return
	}
	if l.drain.swing() {
		l.log.Warn("restart: hammer", "why", why)
	}
}

// finish ends the life of this generation.
func (l *loop) finish(err error) {
	// The first failure is in the result unless it came as the drain ended.
	for _, failure := range l.services.failures.all() {
		if !errors.Is(l.result, failure) {
			l.result = join(l.result, failure)
		}
	}
	l.result = join(l.result, err)
	l.cleanFiles()
	l.to(StateStopped)
	l.log.Info("restart: drained", append(l.counts(), "elapsed", since(l.drain.began))...)
}

// counts says what became of the connections.
func (l *loop) counts() []any {
	announced := 0
	for _, s := range l.r.table.list() {
		announced += s.announced()
	}
	counts := []any{"announced", announced, "cut", l.drain.wasCut.Load()}
	if l.sender != nil {
		c := l.sender.Counts()
		counts = append(counts, "handed_over", c.Moved, "refused", c.Refused)
		if c.Reason != "" {
			counts = append(counts, "reason", c.Reason)
		}
	}
	return counts
}

// cleanFiles removes the files that no process needs any more: of the sockets
// that only this process has, and the PID file if it is ours.
func (l *loop) cleanFiles() {
	for _, s := range l.r.table.list() {
		if !l.lastOwner(s) {
			continue
		}
		if err := s.path.Unlink(); err != nil {
			l.result = join(l.result, fmt.Errorf("restart: listener %q: %w", s.name, err))
		}
	}
	if l.predecessorServes() {
		return // it takes the PID file back
	}
	if err := pidfile.Remove(l.r.options.PIDFile); err != nil {
		l.result = join(l.result, fmt.Errorf("restart: %w", err))
	}
}

// lastOwner reports whether no other process that goes on has the socket, so
// that its queue is ours to empty and its file ours to remove.
func (l *loop) lastOwner(s *socket) bool {
	if l.successor != nil {
		return !slices.Contains(l.successor.Claimed, s.name)
	}
	return !l.predecessorServes() || s.inherited == ""
}

// predecessorServes reports whether this process never took over, or has been
// told to give back.
func (l *loop) predecessorServes() bool { return l.starting.stage != stageAlone || l.disowned }

// end waits for the goroutines of this loop. Hooks are foreign code: they are
// not waited for without bound.
func (l *loop) end() {
	hooks := l.actions.ended()
	bound := time.NewTimer(closeGrace)
	defer bound.Stop()
	for waiting := true; waiting; {
		select {
		case m := <-l.mail.in:
			l.handle(m) // refused or released
		case <-hooks:
			waiting = false
		case <-bound.C:
			l.log.Warn("restart: a hook is still running; not waiting for it")
			waiting = false
		}
	}
	close(l.mail.closed)
	for _, r := range l.receivers {
		stopReceiver(r, l.log)
		r.Close()
	}
	if p := l.r.pred; p != nil {
		p.Conn.StopRecv() // ends Follow
		for _, line := range p.Lifelines {
			line.Cut()
		}
	}
	if l.successor != nil {
		l.sender.Close()
		l.successor.Release()
	}
	l.goroutines.Wait()
	l.services.waiting.Wait()
}

// join keeps both errors, in one line.
func join(a, b error) error {
	if a == nil || b == nil {
		return errors.Join(a, b)
	}
	return oneLine(multierror.Append(a, b))
}

// since returns the time since t as the log shows it: slog's JSON would have
// bare nanoseconds.
func since(t time.Time) string { return time.Since(t).Round(10 * time.Microsecond).String() }
