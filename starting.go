package restart

import (
	"errors"
	"fmt"
	"time"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/pidfile"
	"example.com/restart/internal/wire"
)

// A stage says how far a starting process has come.
type stage int

const (
	stageHeld        stage = iota // services start, Accept blocks
	stageReady                    // the predecessor has been told that they are ready
	stageCommitted                // the PID file is ours, "go" is awaited
	stageAccepting                // services accept, the predecessor does not know yet
	stageIndependent              // there is no predecessor, or it has let go or died
)

// starting is what the loop knows of its own start.
type starting struct {
	stage   stage
	settled bool           // nothing else will be added
	settle  *time.Timer    // sets settled; nil: it is set from the beginning
	again   bool           // SIGHUP has come: restart once this process serves
	dropped []wire.File    // the inherited sockets that nobody has claimed
	stop    error          // why to stop as soon as this process serves; nil: do not
	asked   []restartAsked // came in stageAccepting, begin when this process serves
}

// settling returns a channel that yields when the time for further Adds is over.
func (s *starting) settling() <-chan time.Time {
	if s.settle == nil {
		return nil
	}
	return s.settle.C
}

// begin catches the signals and starts the services that were added so far. On a
// cold start they may accept at once.
func (l *loop) begin() {
	l.to(StateStarting)
	l.r.hooks.catch()
	l.manager.Starting(l.log)
	if within := l.r.options.SettleTime; within > 0 {
		l.starting.settle = time.NewTimer(within)
	} else {
		l.starting.settled = true
	}
	if l.r.pred == nil {
		l.starting.stage = stageIndependent
		path := l.r.options.PIDFile
		if pid := pidfile.Rival(path); pid != 0 {
			l.log.Warn("restart: the PID file names another running process: if that is this program, each takes the file from the other", "file", path, "other", pid)
		}
		if err := l.writePIDFile(); err != nil {
			l.fail(err)
			return
		}
	} else {
		l.follow()
	}
	l.startServices()
}

func (l *loop) writePIDFile() error {
	if err := pidfile.Write(l.r.options.PIDFile); err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	return nil
}

// held reports whether services must wait for the predecessor's "go".
func (l *loop) held() bool { return l.state == StateStarting && l.starting.stage < stageAccepting }

// startServices starts the services that were added since the last time.
func (l *loop) startServices() {
	if l.state == StateDraining || l.state == StateStopped {
		return
	}
	if l.state == StateStarting && l.starting.settle != nil {
		l.starting.settled = false
		l.starting.settle.Reset(l.r.options.SettleTime)
	}
	for _, s := range l.r.table.addedAfter(l.services.started) {
		l.services.started++
		switch {
		case !l.held():
			if s.ln != nil {
				s.ln.Open()
			}
			l.services.start(s)
			if l.state != StateStarting {
				l.keep(s)
			}
			if l.state == StateLameDuck {
				tellLameDuck(s)
			}
		case s.ln != nil:
			l.services.start(s)
		default:
			// A datagram socket has no gate: openAll starts its service.
		}
	}
}

// openAll opens the gates of the listeners whose services were started. A datagram
// socket has no gate, so its service starts only now.
func (l *loop) openAll() {
	for _, s := range l.startedSockets() {
		if s.ln != nil {
			s.ln.Open()
		} else {
			l.services.start(s)
		}
	}
}

func (l *loop) startedSockets() []*socket { return l.r.table.list()[:l.services.started] }

// proceed takes the next step of starting, if it can be taken: every service
// that was added must be ready, and every Add that has begun must have ended.
func (l *loop) proceed() {
	if l.state != StateStarting || l.services.started == 0 ||
		l.services.accepting < l.expected() || l.r.table.adding(l.services.started) {
		return
	}
	unclaimed := l.r.table.unclaimed() > 0
	switch l.starting.stage {
	case stageHeld:
		if unclaimed && !l.starting.settled {
			return
		}
		// The socket that could not be added may be the one that nobody has
		// claimed, under whatever name or address: nothing is dropped then.
		if err := l.r.table.failed(); unclaimed && err != nil {
			l.giveUp(err)
			return
		}
		l.starting.stage = stageReady
		if err := l.r.pred.Ready(l.r.table.claims()); err != nil {
			l.giveUp(prefixed(err))
		}
	case stageIndependent:
		if unclaimed && !l.starting.settled {
			return
		}
		l.removeUnclaimed()
		l.serve()
	case stageReady, stageCommitted, stageAccepting:
		// The predecessor's turn.
	}
}

// expected returns how many services must be accepting before this process is
// ready. Services of datagrams are not started, and do not count, while they are
// held.
func (l *loop) expected() int {
	n := 0
	for _, s := range l.startedSockets() {
		if s.ln != nil || !l.held() {
			n++
		}
	}
	return n
}

// follow does what the predecessor says, on a goroutine of its own.
func (l *loop) follow() {
	pred, mail := l.r.pred, l.mail
	l.goroutines.Go(func() {
		err := pred.Follow(handshake.Steps{
			Commit: func() error {
				reply := make(chan error, 1)
				if !mail.post(commitAsked{reply}) {
					return handshake.ErrDeclined
				}
				return <-reply
			},
			TakeOver: func(again, probation bool) bool {
				reply := make(chan bool, 1)
				return mail.post(takeOverAsked{again, probation, reply}) && <-reply
			},
		})
		mail.post(followEnded{err})
	})
}

// commit takes the PID file.
func (l *loop) commit() error {
	if l.state != StateStarting {
		return handshake.ErrDeclined
	}
	if err := l.writePIDFile(); err != nil {
		return err
	}
	l.starting.stage = stageCommitted
	return nil
}

// takeOver makes this process the one that serves, and reports whether it is.
func (l *loop) takeOver(again, probation bool) bool {
	if l.state != StateStarting {
		return false // it has given up, and has said so
	}
	l.starting.again = l.starting.again || again
	l.onTrial.lasts = probation
	l.accept(stageAccepting)
	return true
}

// accept lets the services accept.
func (l *loop) accept(next stage) {
	l.starting.stage = next
	if err := l.r.pred.Stderr.Restore(); err != nil {
		l.log.Error("restart: standard error stays a pipe", "error", err)
	}
	l.publish() // a readiness check may be what is accepted first
	l.openAll()
}

// endFollow deals with the end of the handshake.
func (l *loop) endFollow(err error) {
	if err == nil {
		// The predecessor has heard that we serve. What it sends from now on is
		// connections.
		l.starting.stage = stageIndependent
		l.receiveOn(l.r.pred.Conn, wire.Source{Progress: l.predecessorsProgress()})
		if l.state == StateStarting {
			l.closeUnclaimed()
			l.serve()
		}
		return
	}
	switch {
	case l.state != StateStarting:
		// Already ending.
	case errors.Is(err, handshake.ErrOrphaned) && l.manager.Orphan() == manager.TakeOver:
		// What would stop a successor whose predecessor lives is only logged:
		// nobody else serves.
		l.log.Warn("restart: the predecessor died, taking over", "predecessor", l.r.pred.PID)
		l.r.pred.Conn.Close() // nobody has the other end
		if err := l.writePIDFile(); err != nil {
			l.log.Error("restart: serving without a PID file", "error", err)
		}
		l.accept(stageIndependent)
	default:
		l.giveUp(prefixed(err))
	}
}

// serve makes this process the one that serves.
func (l *loop) serve() {
	l.since = time.Now()
	l.to(StateServing)
	l.r.events.emit(Event{Kind: EventServing})
	for _, s := range l.r.table.list() {
		l.log.Info("restart: serving", "listener", s.name, "address", s.addr().String(), "inherited", s.inherited != "")
	}
	close(l.r.serving)
	if !l.onTrial.lasts {
		l.tellManagerServing()
	}
	l.watchAncestors()
	switch {
	case l.starting.stop != nil:
		l.stop(l.starting.stop.Error())
	case l.starting.again:
		l.restartAgain()
	}
	l.askWaiting()
}

// tellManagerServing makes the manager watch this process and keep its sockets.
func (l *loop) tellManagerServing() {
	l.manager.Serving(l.r.generation)
	for _, desc := range l.starting.dropped {
		l.manager.GiveUp(desc)
	}
	for _, s := range l.startedSockets() {
		l.keep(s)
	}
}

// askWaiting asks for the restarts that could not be begun while this process
// was starting, or has them refused if it is to serve no more.
func (l *loop) askWaiting() {
	asked := l.starting.asked
	l.starting.asked = nil
	for _, a := range asked {
		l.askRestart(a.ctx, a.reply)
	}
}

// keep lets the manager keep a socket, under its new name only. The manager has
// the sockets of socket units anyway.
func (l *loop) keep(s *socket) {
	conn, err := s.conn()
	if err != nil || s.offer != nil && s.offer.fromUnit {
		return
	}
	now := s.desc()
	if s.offer != nil {
		if was := s.offer.desc; was.Name != now.Name || was.Network != now.Network || was.Address != now.Address {
			l.manager.GiveUp(was)
		}
	}
	l.manager.Keep(now, conn)
}

// watchAncestors posts a message for each earlier generation that has ended.
func (l *loop) watchAncestors() {
	var lines []handshake.Lifeline
	if l.r.pred != nil {
		lines = l.r.pred.Lifelines
	}
	mail := l.mail
	l.goroutines.Go(func() {
		for _, line := range lines {
			if !line.Wait() {
				return // the loop ends
			}
			mail.post(ancestorEnded{line})
		}
		mail.post(ancestorsGone{})
	})
}

// removeUnclaimed closes the sockets that nobody has claimed and removes their
// files: there is no predecessor that would.
func (l *loop) removeUnclaimed() {
	l.closeUnclaimed()
	for _, d := range l.starting.dropped {
		if err := pathOf(d).Unlink(); err != nil {
			l.log.Warn("restart: cannot remove the file of a dropped socket", "listener", d.Name, "error", err)
		}
	}
}

// closeUnclaimed closes the sockets that nobody has claimed. A predecessor that
// lives serves the clients that wait there, and removes the files.
func (l *loop) closeUnclaimed() {
	l.starting.dropped = l.r.table.drop()
	for _, d := range l.starting.dropped {
		l.log.Info("restart: listener dropped", "listener", d.Name, "address", d.Local)
	}
}
