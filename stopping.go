package restart

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/restart/internal/handshake"
)

// stop begins a drain without a successor, where there is a lame-duck time after
// that. An attempt that is under way is ended first: should it have come too far,
// its successor serves on.
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
		if l.starting.stage == stageAccepting {
			l.starting.stop = errors.New(why) // who has the sockets is known in a moment
			return
		}
		l.log.Info("restart: stopping", "why", why)
		l.startDrain()
	case StateServing:
		l.log.Info("restart: stopping", "why", why)
		if l.r.options.LameDuck > 0 && l.servesClients() {
			l.beginLameDuck()
		} else {
			l.startDrain()
		}
	case StateLameDuck:
		if !l.servesClients() {
			l.endLameDuck(why)
			return
		}
		l.log.Info("restart: stopping already", "why", why)
	case StateProbation:
		l.endProbation(why)
		if l.state == StateServing {
			l.stop(why) // it was undone at that very moment
		}
	case StateNew, StateDraining, StateStopped:
		l.log.Info("restart: draining already", "why", why)
	}
}

// servesClients reports whether there is anybody whom a lame duck could send
// elsewhere: not if every service has ended, nor if the predecessor serves on.
func (l *loop) servesClients() bool { return l.services.running > 0 && !l.disowned }

// stopHeld stops a process that does not serve yet. Once the PID file is ours,
// whoever stopped us meant the service, so it is to stop as soon as it is ours.
func (l *loop) stopHeld(err error) {
	if l.starting.stage == stageCommitted {
		l.starting.stop = err
		return
	}
	l.giveUp(err)
}

// giveUp ends a successor that must not take over.
func (l *loop) giveUp(err error) {
	l.result = join(l.result, err)
	l.r.pred.Fail(err)
	l.startDrain()
}

// disown ends this process because the predecessor serves on after all: it has
// not heard that we serve. Its sockets' files and its PID file are not ours.
func (l *loop) disown(reason string) {
	if l.state == StateStopped {
		return
	}
	l.disowned = true
	err := fmt.Errorf("restart: %w: %s", handshake.ErrAborted, reason)
	l.log.Error("restart: stopping", "error", err)
	if l.state != StateDraining {
		l.result = join(l.result, err)
		l.stop(err.Error())
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
	if l.onTrial.lasts {
		l.onTrial.failed = true
		l.giveBack(err)
		return
	}
	l.stopFailed(err.Error())
}

// stopFailed stops this process, one of whose services has failed.
func (l *loop) stopFailed(why string) {
	switch l.state {
	case StateDraining:
	case StateRestarting:
		// The successor may be what is needed now, so it is not ended for our
		// failure. If it fails too, this process stops.
		l.attempt.thenStop = why
	default:
		l.stop(why)
	}
}

// startDrain begins to drain. Who has the sockets from here on decides what
// there is to do: the successor, the predecessor that serves on, or nobody.
func (l *loop) startDrain() {
	held, told := l.held(), l.state == StateLameDuck
	l.to(StateDraining)
	l.endTrial()
	l.askWaiting()
	close(l.r.draining)
	l.r.table.close()
	if l.successor == nil && !told {
		l.r.events.emit(Event{Kind: EventStopping})
	}
	switch {
	case l.successor != nil: // has been told by Replaced
	case !l.predecessorServes():
		if !told {
			l.manager.Stopping()
		}
	case l.starting.stage >= stageCommitted:
		l.manager.GivingBack(l.r.pred.PID)
	}
	l.drain = newDrain(l.r.options.HammerTime, l.sender, l.services.ended(), l.log)
	for _, s := range l.r.table.list() {
		p := &part{socket: s, lastOwner: !held && l.lastOwner(s)}
		if l.successor != nil && slices.Contains(l.successor.Adopts, s.name) {
			p.handover = &Handover{name: s.name, kinds: l.successor.Kinds[s.name], sender: l.sender}
		}
		l.drain.parts = append(l.drain.parts, p)
	}
	// At once, and not in its turn: whoever asked for the restart may ask next
	// which version answers.
	l.drain.stopShared()
	pass := func() {}
	if l.successor != nil {
		pass = l.passOn(l.receivers)
		l.receivers = nil
	}
	d, mail := l.drain, l.mail
	if d.sender != nil {
		d.reported = make(chan struct{})
		l.goroutines.Go(func() { d.report(l.r.generation) })
		l.watchSuccessor()
	}
	l.goroutines.Go(func() {
		pass()
		err := d.run()
		if d.reported != nil {
			d.awaitReport()
		}
		mail.post(drainEnded{err})
	})
}

// awaitPasses posts drained when the channels that came during the drain are passed
// on. The end of this process would cut them off, and the earlier generations would
// take it for their successor's death. A successor that does not read is not waited
// for without bound.
func (l *loop) awaitPasses(err error) {
	passes, mail := &l.passes, l.mail
	l.goroutines.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		arrives(ctx, whenReturned(passes.Wait))
		mail.post(drained{err})
	})
}

// watchSuccessor posts successorDied when the process that replaced this one dies. The
// end of the channel alone is no death: a successor that cannot answer closes the
// channel and serves on. Nor is the end of the process alone: the successor may have
// been replaced in turn, and have passed the channel on.
func (l *loop) watchSuccessor() {
	died, s, mail := l.sender.Died(), l.successor, l.mail
	l.goroutines.Go(func() {
		select {
		case <-died:
		case <-mail.closed:
			return
		}
		for !s.Wait(pollEvery) {
			select {
			case <-mail.closed:
				return
			default:
			}
		}
		mail.post(successorDied{})
	})
}

// pollEvery is how often watchSuccessor checks whether this process ends.
const pollEvery = 250 * time.Millisecond

// reportSuccessorDied tells the operator that nobody serves now. This process
// cannot: its sockets are closed.
func (l *loop) reportSuccessorDied() {
	if l.state != StateDraining {
		return
	}
	pid, exit := l.successor.PID, l.successor.Exit()
	if last := l.sender.Receiver(); last != 0 && last != pid {
		pid, exit = last, "" // the successor was replaced in turn
	}
	if exit == "" {
		exit = "how is not known"
	}
	l.lastError = fmt.Errorf("restart: successor (pid %d) died after it had replaced this process (%s)", pid, exit)
	l.publish()
	l.log.Error("restart: the successor died: nobody serves now", "successor", pid, "error", l.lastError)
	l.r.events.emit(Event{Kind: EventSuccessorDied, Successor: pid, Err: l.lastError})
}

// hammer ends the drain by force. A lame duck's drain begins now, and ends.
func (l *loop) hammer(why string) {
	if l.state == StateLameDuck {
		l.endLameDuck(why)
	}
	if l.state != StateDraining {
		l.log.Info("restart: nothing drains, hammer ignored", "why", why)
		return
	}
	if l.drain.force() {
		l.log.Warn("restart: hammer", "why", why)
	}
}
