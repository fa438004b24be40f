package restart

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"example.com/restart/internal/pidfile"
)

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
	l.drainedEvent()
}

func (l *loop) drainedEvent() {
	s := l.r.Status()
	l.r.events.emit(Event{
		Kind: EventDrained, Elapsed: time.Since(l.drain.began), Err: l.result,
		HandedOver: s.HandedOver, Announced: s.Announced, Cut: s.Cut,
	})
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
		if c.Uncertain > 0 {
			counts = append(counts, "uncertain", c.Uncertain)
		}
		if c.Reason != "" {
			counts = append(counts, "reason", c.Reason)
		}
	}
	return counts
}

// cleanFiles removes the files that no process needs any more: of the sockets
// that only this process has, and the PID file if it is ours.
func (l *loop) cleanFiles() {
	if l.exited {
		return
	}
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
func (l *loop) predecessorServes() bool { return l.starting.stage != stageIndependent || l.disowned }

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
		if stopReceiver(r, l.log) {
			r.Resign()
		}
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
	l.passes.Wait()
	l.services.waiting.Wait()
	if !l.r.events.flush(closeGrace) {
		l.log.Warn("restart: a function that was given to OnEvent does not return; not waiting for it")
	}
}
