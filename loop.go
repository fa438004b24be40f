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

	"example.com/restart/internal/channel"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/transfer"
	"example.com/restart/internal/wire"
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

	attempt    *attempt             // in StateRestarting
	successor  *handshake.Successor // from the moment when it serves
	sender     *transfer.Sender     // to the successor, from the drain on
	lameDuck   *time.Timer          // in StateLameDuck
	probation  *probation           // in StateProbation
	onTrial    trial                // while the predecessor is in StateProbation
	drain      *drain               // from StateDraining on
	receivers  []*transfer.Receiver // of what earlier generations send
	passes     sync.WaitGroup       // that give the successor channels which came in StateDraining
	disowned   bool                 // the predecessor serves on: sockets' files and PID file are not ours
	exited     bool                 // the process that package restarttest fakes has ended
	lastError  error                // of the last restart, nil if it did not fail
	since      time.Time            // when this process began to serve
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

	liveAsked   struct{ reply chan<- struct{} } // closed as the answer
	cancelAsked struct{ reply chan<- bool }
	undoAsked   struct {
		reason string
		reply  chan<- error
	}
	hammerEarlierAsked struct {
		generation int
		reply      chan<- error
	}

	// From services.
	serviceAccepts struct { // has called Accept for the first time
		socket *socket
		kinds  []string // what it adopts, see KindAdopter
	}
	serviceEnded struct{ socket *socket } // Serve has returned without an error

	// From actions, see signal.go.
	actionAgreed struct { // all Before hooks have agreed
		action *action
		done   chan<- struct{} // closed when the effect is over
	}
	actionVetoed struct { // a Before hook has refused
		action *action
		err    error
	}
	actionEnded struct{ action *action } // the last After hook has returned

	// From an attempt, see restarting.go.
	passAgainAsked struct{ reply chan<- bool } // see attempt.passAgain
	attemptEnded   struct {
		successor *handshake.Successor // serves; nil: there is none
		err       error                // why there is none
	}

	// From the predecessor, see starting.go.
	commitAsked   struct{ reply chan<- error }
	takeOverAsked struct {
		again, probation bool
		reply            chan<- bool
	}
	followEnded struct{ err error } // the handshake is over; nil: this process serves
	disowned    struct{ reason string }
	channelCame struct { // an earlier generation sends on conn
		conn   *channel.Conn
		source wire.Source
	}
	confirmed     struct{}                                 // the predecessor has let go
	ancestorEnded struct{ line handshake.Lifeline }        // one of the earlier generations
	ancestorsGone struct{}                                 // all of them
	receiversDone struct{ receivers []*transfer.Receiver } // nothing more comes from these

	// From the drain.
	successorDied struct{}
	drainEnded    struct{ err error }
	drained       struct{ err error } // the drain has ended, and nothing is left to be passed on
)

func (l *loop) handle(m message) {
	switch m := m.(type) {
	case restartAsked:
		l.askRestart(m.ctx, m.reply)
	case liveAsked:
		close(m.reply)
	case cancelAsked:
		m.reply <- l.cancelRestart()
	case undoAsked:
		m.reply <- l.askUndo(m.reason)
	case hammerEarlierAsked:
		l.hammerEarlier(m.generation, m.reply)
	case serviceAccepts:
		m.socket.kinds = m.kinds
		l.services.accepting++
	case serviceEnded:
		l.services.running--
		if l.state == StateServing || l.state == StateRestarting {
			l.manager.GiveUp(m.socket.desc())
		}
		if l.services.running == 0 && l.state != StateDraining {
			l.stop("every service has ended")
		}
	case actionAgreed:
		l.perform(m.action, m.done)
	case actionVetoed:
		l.veto(m.action, m.err)
	case actionEnded:
		l.endAction(m.action)
	case passAgainAsked:
		m.reply <- l.attempt.passAgain()
	case attemptEnded:
		l.endAttempt(m.successor, m.err)
	case commitAsked:
		m.reply <- l.commit()
	case takeOverAsked:
		m.reply <- l.takeOver(m.again, m.probation)
	case followEnded:
		l.endFollow(m.err)
	case disowned:
		l.disown(m.reason)
	case channelCame:
		l.receiveOn(m.conn, m.source)
	case confirmed:
		l.confirm()
	case ancestorEnded:
		l.log.Info("restart: an earlier generation has ended", "ended", m.line.Generation, "ended_pid", m.line.PID)
		if m.line.Generation == l.r.pred.Generation {
			l.confirm() // nobody can serve again
		}
	case ancestorsGone:
		l.awaitReceivers()
	case receiversDone:
		if !slices.Equal(m.receivers, l.receivers) {
			l.awaitReceivers() // a receiver was added meanwhile
			break
		}
		close(l.r.alone)
	case successorDied:
		l.reportSuccessorDied()
	case drainEnded:
		l.awaitPasses(m.err)
	case drained:
		l.finish(m.err)
	case inLoop:
		m(l)
	}
}

// inLoop is for tests and for package restarttest.
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
		case <-l.lameDuckOver():
			l.endLameDuck("Options.LameDuck")
		case <-l.probation.over():
			l.endProbation("Options.Probation is over")
		case err := <-l.probation.said():
			l.endProbationBy(err)
		case <-l.r.hammer:
			l.hammer("Hammer")
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
	StateServing:    {StateRestarting, StateLameDuck, StateDraining},
	StateRestarting: {StateServing, StateProbation, StateDraining},
	StateProbation:  {StateServing, StateDraining},
	StateLameDuck:   {StateDraining},
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
	s := &Status{
		State: l.state, Ready: l.ready(), Generation: l.r.generation, PID: os.Getpid(),
		Since: l.since, OnProbation: l.onTrial.lasts, LastError: l.lastError,
	}
	if l.successor != nil {
		s.Successor = l.successor.PID
	}
	if l.sender != nil {
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
	case sig == os.Interrupt && l.state == StateLameDuck:
		l.endLameDuck("signal " + sig.String())
	case sig == os.Interrupt && l.actions.interrupts > 1 && l.state == StateDraining:
		l.hammer("second signal " + sig.String())
	case sig == syscall.SIGHUP && l.state == StateStarting:
		l.starting.again = true
	case sig == syscall.SIGHUP && l.state == StateRestarting:
		l.attempt.again = againHere
	case sig == syscall.SIGHUP && l.state == StateProbation:
		// A manager still watches this process, and means the one that serves.
		l.log.Info("restart: on probation; SIGHUP passed on to the successor", "successor", l.successor.PID)
		l.successor.Signal(syscall.SIGHUP)
	case sig == syscall.SIGHUP && (l.state == StateLameDuck || l.state == StateDraining):
		l.logFailure(ErrStopped) // no hook checks what is not to be done
	default:
		l.act(&action{sig: sig, ctx: l.actions.ctx, reply: l.logFailure})
	}
}

// since returns the time since t as the log shows it: slog's JSON would have
// bare nanoseconds.
func since(t time.Time) string { return time.Since(t).Round(10 * time.Microsecond).String() }
