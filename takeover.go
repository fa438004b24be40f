package restart

import (
	"errors"
	"fmt"
	"io"
	"os"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// A stage says how far a starting process has come.
type stage int

const (
	stageHeld      stage = iota // services start, Accept blocks
	stageOffered                // ready was said
	stageCommitted              // the PID file is ours, "go" is awaited
	stageAlone                  // there is no predecessor, or none any more
)

// watchPredecessor passes on what the predecessor says until it is gone.
func (l *loop) watchPredecessor() {
	conn := l.r.pred.conn
	s := &source{conn: conn, ended: make(chan struct{})}
	l.sources = append(l.sources, s)
	l.goroutines.Go(func() {
		defer close(s.ended)
		for {
			f, fds, err := conn.RecvRaw()
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return // we stopped listening
			}
			if err != nil {
				s.over.Store(true)
				m := fromPredecessor{gone: errors.Is(err, io.EOF)}
				if !m.gone {
					m.broken = err
				}
				l.post(m)
				return
			}
			if l.receive(s, f, fds) {
				continue
			}
			channel.CloseRaw(fds)
			m := fromPredecessor{typ: f.Type}
			switch f.Type {
			case wire.TypeGo:
				var g wire.Go
				_ = f.Decode(&g) // "go" is all that counts
				m.again = g.Again
			case wire.TypeAbort:
				var a wire.Abort
				_ = f.Decode(&a) // so is "abort"
				m.text = a.Reason
			}
			if !l.post(m) {
				return
			}
		}
	})
}

// watchAncestors closes Alone's channel when no earlier generation lives. The
// end of the loop ends it, too.
func (l *loop) watchAncestors() {
	if l.r.pred != nil {
		for _, line := range l.r.pred.lifelines {
			if !line.wait() {
				return
			}
		}
	}
	close(l.r.alone)
}

// progress takes the next step of starting, if it can be taken.
func (l *loop) progress() {
	if l.state != StateStarting || l.taken == 0 || l.accepting < l.listeners() {
		return
	}
	if l.r.table.adding(l.taken) {
		return // what is being claimed must not count as dropped
	}
	switch l.stage {
	case stageHeld:
		if l.r.table.unclaimed() > 0 {
			if !l.settled {
				return
			}
			if err := l.r.table.failed(); err != nil {
				l.giveUp(err) // it was to be there, under whatever name or address
				return
			}
		}
		l.stage = stageOffered
		l.tell(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: l.claimed(isSocket), Adopts: l.claimed(isAdopter)})
	case stageAlone:
		if l.r.pred != nil && l.r.table.unclaimed() > 0 && !l.settled {
			return
		}
		l.dropUnclaimed()
		l.nowServing()
	case stageOffered, stageCommitted:
		// The predecessor's turn.
	}
}

// listeners counts the started sockets that have a gate, or have been opened.
func (l *loop) listeners() int {
	n := 0
	for _, s := range l.r.table.list()[:l.taken] {
		if s.ln != nil || !l.held() {
			n++
		}
	}
	return n
}

// claimed returns the predecessor's names of the inherited sockets that are
// so.
func (l *loop) claimed(so func(*socket) bool) []string {
	names := []string{}
	for _, s := range l.r.table.list() {
		if s.inherited != "" && so(s) {
			names = append(names, s.inherited)
		}
	}
	return names
}

func isSocket(*socket) bool { return true }

func isAdopter(s *socket) bool {
	_, ok := s.service().(Adopter)
	return ok
}

// heard does what the predecessor says.
func (l *loop) heard(m fromPredecessor) {
	if l.state != StateStarting {
		switch {
		case m.gone && l.state != StateStopped:
			l.log.Info("restart: the predecessor is gone", "predecessor", l.r.pred.pid)
		case m.broken != nil:
			// Nobody reads from the channel any more. The predecessor must see
			// that, or the connections that it has yet to send would hang.
			l.log.Error("restart: cannot receive from the predecessor; it keeps its connections", "error", m.broken)
			l.r.pred.conn.Close()
		}
		return
	}
	switch {
	case m.gone:
		l.orphaned()
	case m.broken != nil:
		// It lives, and may well serve.
		l.giveUp(fmt.Errorf("restart: what the predecessor says makes no sense: %w", m.broken))
	case m.typ == wire.TypeAbort:
		l.giveUp(fmt.Errorf("restart: the predecessor gave up on this process: %s", m.text))
	case m.typ == wire.TypeCommit && l.stage == stageOffered:
		if err := writePIDFile(l.r.options.PIDFile); err != nil {
			l.giveUp(err)
			return
		}
		l.stage = stageCommitted
		l.tell(wire.TypeCommitted, wire.Committed{})
	case m.typ == wire.TypeGo && l.stage == stageCommitted:
		l.again = l.again || m.again
		l.takeOver()
	default:
		l.giveUp(fmt.Errorf("restart: the predecessor said %v out of turn", m.typ))
	}
}

// tell sends a message to the predecessor. If it is gone, EOF says so too.
func (l *loop) tell(t wire.Type, v any) {
	if err := l.r.pred.conn.Send(t, v); err != nil {
		l.log.Debug("restart: telling the predecessor", "message", t.String(), "error", err)
	}
}

// takeOver makes this process the one that serves.
func (l *loop) takeOver() {
	l.stage = stageAlone
	if err := l.r.pred.stderr.restore(); err != nil {
		l.log.Error("restart: standard error stays a pipe", "error", err)
	}
	l.open()
	l.tell(wire.TypeServing, wire.Serving{})
	// Only now: should this process have died before, the predecessor serves
	// on, at all its paths.
	l.dropUnclaimed()
	l.nowServing()
}

// orphaned takes over from a predecessor that died: nobody else serves. What
// would stop a successor whose predecessor lives, only gets logged.
func (l *loop) orphaned() {
	l.log.Warn("restart: the predecessor died, taking over", "predecessor", l.r.pred.pid)
	l.stage = stageAlone
	if err := l.r.pred.stderr.restore(); err != nil {
		l.log.Error("restart: standard error stays a pipe", "error", err)
	}
	if err := writePIDFile(l.r.options.PIDFile); err != nil {
		l.log.Error("restart: serving without a PID file", "error", err)
	}
	l.open()
}

func (l *loop) nowServing() {
	l.to(StateServing)
	l.goroutines.Go(l.watchAncestors)
	for _, s := range l.r.table.list() {
		l.log.Info("restart: serving", "listener", s.name, "address", s.addr().String(), "inherited", s.inherited != "")
	}
	l.restartAgain()
}

// dropUnclaimed closes what the predecessor had and this process has not. The
// predecessor serves the clients that wait there; the paths are ours to remove.
func (l *loop) dropUnclaimed() {
	for _, d := range l.r.table.drop() {
		l.log.Info("restart: listener dropped", "listener", d.Name, "address", d.Local)
		if err := (unixPath{path: d.Path, dev: d.Dev, ino: d.Ino}).unlink(); err != nil {
			l.log.Warn("restart: path of a dropped socket stays", "listener", d.Name, "error", err)
		}
	}
}

// giveUp ends a successor that must not take over.
func (l *loop) giveUp(err error) {
	l.result = join(l.result, err)
	l.r.pred.fail(err)
	l.drain()
}
