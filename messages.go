package restart

import (
	"context"
	"os"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// restartRequest asks for a restart.
type restartRequest struct {
	ctx   context.Context
	reply func(error)
}

func (m restartRequest) handle(l *loop) { l.restart(m.ctx, m.reply) }

// attemptDone ends an attempt: s serves, or err is why not.
type attemptDone struct {
	s   *successor
	err error
}

func (m attemptDone) handle(l *loop) { l.attempted(m.s, m.err) }

// nowAccepting says that a service has called Accept for the first time.
type nowAccepting struct{}

func (nowAccepting) handle(l *loop) { l.accepting++ }

// serviceDone says that a service has returned without an error.
type serviceDone struct{}

func (serviceDone) handle(l *loop) {
	l.serving--
	if l.serving == 0 && l.state != StateDraining && l.state != StateStopped {
		l.stop("every service has ended")
	}
}

// drained ends the drain.
type drained struct{ err error }

func (m drained) handle(l *loop) { l.finish(m.err) }

// signalAction asks for what a signal does, when its Before hooks agree.
type signalAction struct {
	sig  os.Signal
	done chan struct{}
}

func (m signalAction) handle(l *loop) { l.act(m.sig, m.done) }

// signalDone says that the last After hook has returned.
type signalDone struct{ sig os.Signal }

func (m signalDone) handle(l *loop) {
	l.signals.busy[m.sig] = false
	if l.signals.pending[m.sig] && l.state != StateStopped {
		delete(l.signals.pending, m.sig)
		l.handle(m.sig)
	}
}

// fromPredecessor is a message from the predecessor; gone means that it can
// send no more, broken that what it sent cannot be read.
type fromPredecessor struct {
	typ    wire.Type
	again  bool
	text   string
	gone   bool
	broken error
}

func (m fromPredecessor) handle(l *loop) { l.heard(m) }

// sourceCame brings another channel on which connections come.
type sourceCame struct {
	conn  *channel.Conn
	names map[string]string // see source
}

func (m sourceCame) handle(l *loop) { l.addSource(m.conn, m.names) }
