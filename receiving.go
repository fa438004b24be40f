package restart

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"syscall"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/transfer"
	"example.com/restart/internal/wire"
)

// receiveOn begins to take what an earlier generation sends on conn.
func (l *loop) receiveOn(conn *channel.Conn, source wire.Source) {
	switch {
	case l.state == StateStopped:
		transfer.Decline(conn, errEnding)
		return
	case len(l.receivers) >= maxReceivers:
		l.log.Error("restart: cannot open a channel that was passed on", "error", errReceivers)
		transfer.Decline(conn, errReceivers)
		return
	}
	if p := source.Progress; p.Generation > 0 && p.Connections >= 0 {
		l.r.noteConnections(p.Generation, p.Connections)
	}
	if l.state == StateDraining && l.successor != nil {
		l.passes.Go(l.passOnUnread(conn, source))
		return
	}
	l.receivers = append(l.receivers, transfer.Receive(conn, source, recipient{l.r, l.mail}, l.log))
}

// maxReceivers bounds the earlier generations that are received from. Each takes a
// channel and its buffers.
const maxReceivers = 256

var errReceivers = fmt.Errorf("%d are open", maxReceivers)

// awaitReceivers posts receiversDone when everything that the earlier generations
// have sent is received. They have ended by now, but their last states may still be
// on the way, and this process is alone only when those are merged.
func (l *loop) awaitReceivers() {
	receivers, mail := slices.Clone(l.receivers), l.mail
	l.goroutines.Go(func() {
		for _, r := range receivers {
			select {
			case <-r.Done():
			case <-mail.closed:
				return // the loop ends
			}
		}
		mail.post(receiversDone{receivers})
	})
}

// passOn returns a function that passes receivers on to the successor. When that has
// returned, the loop knows every channel that was passed on to this process.
func (l *loop) passOn(receivers []*transfer.Receiver) func() {
	to, names, log := l.successor.Conn, l.r.table.renames(), l.log
	return func() {
		for _, r := range receivers {
			if stopReceiver(r, log) {
				if err := r.PassOn(to, names); err != nil {
					logNotPassed(log, err)
					r.Resign()
				}
			}
			r.Close()
		}
	}
}

// passOnUnread returns a function that passes a channel on from which this process
// has received nothing, and takes nothing: its services may have ended.
func (l *loop) passOnUnread(conn *channel.Conn, source wire.Source) func() {
	to, names, log := l.successor.Conn, l.r.table.renames(), l.log
	return func() {
		if err := transfer.PassOn(conn, source, to, names); err != nil {
			logNotPassed(log, err)
			transfer.Decline(conn, err)
		}
		conn.Close()
	}
}

func logNotPassed(log *slog.Logger, err error) {
	log.Warn("restart: an earlier generation must keep its connections", "error", err)
}

// stopReceiver ends receiving. A service's Adopt is foreign code: it is not
// waited for without bound.
func stopReceiver(r *transfer.Receiver, log *slog.Logger) bool {
	stopped := r.Stop(closeGrace)
	if !stopped {
		log.Error("restart: Adopt of a service does not return; the connection that it was given may be served twice")
	}
	return stopped
}

// recipient gives what earlier generations send to the services. It implements
// transfer.Recipient.
type recipient struct {
	r    *Restarter
	mail mailbox
}

// Adopted connections leave these descriptors free, or the next restart would
// fail for lack of them: it needs a duplicate of each listener, a channel and
// pipes. They leave as many again for new clients.
const (
	spareFiles       = 32
	filesPerListener = 2
)

var errScarce = errors.New("too few descriptors would be left for the next restart: raise the limit of open files (RLIMIT_NOFILE)")

// Adopt implements transfer.Recipient.
func (to recipient) Adopt(name string, c net.Conn, state []byte) error {
	s := to.r.table.inheritedAs(name)
	if s == nil {
		return fmt.Errorf("no listener %q here", name)
	}
	a, ok := s.service().(Adopter)
	if !ok || s.ln == nil {
		return fmt.Errorf("the service of %q adopts nothing", s.name)
	}
	if raw, ok := c.(syscall.Conn); ok && fdutil.Scarce(raw, spareFiles+filesPerListener*len(to.r.table.list())) {
		return errScarce
	}
	tracked, ok := s.ln.Conns().Track(c)
	if !ok {
		return errEnding
	}
	if err := a.Adopt(tracked, state); err != nil {
		tracked.Close()
		return err
	}
	to.r.adopted.Add(1)
	return nil
}

// Merge implements transfer.Recipient.
func (to recipient) Merge(name string, state []byte) {
	s := to.r.table.inheritedAs(name)
	if s == nil {
		return // dropped
	}
	m, ok := s.service().(StateMerger)
	if !ok {
		return
	}
	if err := m.MergeState(state); err != nil {
		to.r.log.Error("restart: cannot merge the last state of the predecessor", "listener", s.name, "error", err)
	}
}

// Follow implements transfer.Recipient.
func (to recipient) Follow(conn *channel.Conn, source wire.Source) {
	if !to.mail.post(channelCame{conn, source}) {
		transfer.Decline(conn, errEnding)
	}
}

// Drains implements transfer.Recipient.
func (to recipient) Drains(p wire.Progress) {
	to.r.noteConnections(p.Generation, p.Connections)
	if p.Over {
		to.r.events.emit(Event{Kind: EventEarlierDrained, Earlier: p.Generation, HandedOver: p.HandedOver, Announced: p.Announced, Cut: p.Cut})
	}
}

// Confirmed implements transfer.Recipient.
func (to recipient) Confirmed() { to.mail.post(confirmed{}) }

// Aborted implements transfer.Recipient.
func (to recipient) Aborted(reason string) { to.mail.post(disowned{reason}) }
