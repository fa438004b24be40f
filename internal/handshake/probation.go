package handshake

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// A Watch listens to a successor that is on probation.
type Watch struct {
	conn *channel.Conn
	said chan error
	done chan struct{} // closed when nobody listens any more
}

// Watch begins to listen.
func (s *Successor) Watch() *Watch {
	w := &Watch{conn: s.Conn, said: make(chan error, 1), done: make(chan struct{})}
	s.guard()
	go w.run(s)
	return w
}

// Said returns a channel that yields once: nil if the successor asks for the end
// of its probation, or a *Failure that says why it cannot serve.
func (w *Watch) Said() <-chan error { return w.said }

// Stop ends listening. What the successor has said by then is in Said.
func (w *Watch) Stop() {
	w.conn.StopRecv()
	<-w.done
	_ = w.conn.SetDeadline(time.Time{}) // it may be closed
}

func (w *Watch) run(s *Successor) {
	defer close(w.done)
	defer s.unguard()
	for {
		f, fds, err := w.conn.RecvRaw()
		channel.CloseRaw(fds)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return // Stop
		case err != nil:
			s.unguard()
			// How it has ended is to be told. One that lives serves meanwhile, and
			// Abort reaps it.
			s.proc.Wait(killGrace)
			w.said <- &Failure{Step: Probation, PID: s.PID, Exit: s.proc.Exit(), Err: errors.New("it died")}
			return
		case f.Type == wire.TypeConfirm:
			w.said <- nil
			return
		case f.Type == wire.TypeGiveBack:
			var m wire.GiveBack
			_ = f.Decode(&m) // the words are all that could be missing
			w.said <- &Failure{Step: Probation, PID: s.PID, Err: fmt.Errorf("it gave back: %s", m.Reason)}
			return
		}
	}
}

// Confirmed tells the successor that its probation is over.
func (s *Successor) Confirmed() { _ = s.Conn.Send(wire.TypeConfirmed, wire.Confirmed{}) } // it may be gone

// Abort tells the successor that this process serves again. It finishes what it has
// accepted and ends; if it has not ended within the given time, it hangs and is
// killed. A negative time is no bound. Abort waits for the end, or until quit is
// closed, gives the process up, and reports whether it was killed.
func (s *Successor) Abort(reason error, within time.Duration, quit <-chan struct{}) (killed bool) {
	_ = s.Conn.Send(wire.TypeAbort, wire.Abort{Reason: wire.Clip(reason.Error())}) // it may be gone
	s.Conn.Close()
	defer s.Release()
	bound := time.Now().Add(within)
	for !s.proc.Wait(s.look) {
		select {
		case <-quit:
			return killed
		default:
		}
		if within >= 0 && time.Now().After(bound) {
			s.Signal(syscall.SIGKILL)
			s.proc.Signal(syscall.SIGKILL) // a wrapper
			killed = true
		}
	}
	return killed
}

// GiveBack asks the predecessor to serve again.
func (f *Follower) GiveBack(reason error) {
	f.tell(wire.TypeGiveBack, wire.GiveBack{Reason: wire.Clip(reason.Error())})
}

// Confirm asks the predecessor for the end of the probation.
func (f *Follower) Confirm() { f.tell(wire.TypeConfirm, wire.Confirm{}) }
