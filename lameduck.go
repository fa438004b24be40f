package restart

import "time"

// lameDuckOver returns a channel that yields when the drain is to begin.
func (l *loop) lameDuckOver() <-chan time.Time {
	if l.lameDuck == nil {
		return nil
	}
	return l.lameDuck.C
}

// beginLameDuck serves on, for as long as Options.LameDuck says, while everybody
// who sends clients here is told to stop doing so.
func (l *loop) beginLameDuck() {
	l.lameDuck = time.NewTimer(l.r.options.LameDuck)
	l.to(StateLameDuck)
	l.r.events.emit(Event{Kind: EventStopping})
	l.manager.Stopping()
	if l.onTrial.lasts {
		l.r.pred.Confirm() // or it would serve again when this process ends
	}
	for _, s := range l.startedSockets() {
		tellLameDuck(s)
	}
}

// tellLameDuck tells the service of s, if it wants to know. That is foreign code,
// and nothing depends on its return.
func tellLameDuck(s *socket) {
	if d, ok := s.service().(LameDuck); ok {
		go d.BeginLameDuck()
	}
}

// endLameDuck begins the drain.
func (l *loop) endLameDuck(why string) {
	l.lameDuck.Stop()
	l.lameDuck = nil
	l.log.Info("restart: lame duck ends, draining", "why", why)
	l.startDrain()
}
