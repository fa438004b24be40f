package transfer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

// A Recipient is what a Receiver gives things to. Its methods are called one at
// a time for each Receiver. Names are those that our predecessor has for the
// listeners.
type Recipient interface {
	// Adopt takes c. After an error c is the Receiver's, and the sender keeps
	// its own descriptor.
	Adopt(name string, c net.Conn, state []byte) error

	// Merge takes what a service has changed since it gave its state.
	Merge(name string, state []byte)

	// Follow takes a channel on which a generation before the sender sends, and
	// what is known of that.
	Follow(conn *channel.Conn, source wire.Source)

	// Drains says how far the sender's drain is.
	Drains(wire.Progress)

	// Confirmed says that the sender, our predecessor, lets go of this process.
	Confirmed()

	// Aborted says that the sender serves on and we must not.
	Aborted(reason string)
}

// A Receiver receives what an earlier generation sends: the predecessor, or one
// before it that still drains. When this process is replaced in turn, its
// successor gets the channel. Were it closed instead, or kept open until all
// earlier generations have drained, then connections would stay behind when
// restarts follow each other quickly, or processes would pile up behind one
// slow download.
type Receiver struct {
	conn  *channel.Conn
	names map[string]string // nil: the sender is our predecessor
	to    Recipient
	log   *slog.Logger

	progress atomic.Pointer[wire.Progress] // what the sender has told last

	done  chan struct{} // closed when nothing is received any more
	ended bool          // the other end is closed; set before done
}

// Receive starts a Receiver on conn, which it takes. source.Names translates the
// sender's names for the listeners into our predecessor's: they may have been
// renamed since. Nil means that they are the same.
func Receive(conn *channel.Conn, source wire.Source, to Recipient, log *slog.Logger) *Receiver {
	r := &Receiver{conn: conn, names: source.Names, to: to, log: log, done: make(chan struct{})}
	r.progress.Store(&source.Progress)
	r.sayReceiving()
	go r.run()
	return r
}

func (r *Receiver) run() {
	defer close(r.done)
	for {
		f, fds, err := r.conn.RecvRaw()
		if err == nil {
			err = r.handle(f, fds)
		}
		switch {
		case err == nil:
		case errors.Is(err, os.ErrDeadlineExceeded):
			return // Stop
		default:
			// Closed also if the sender lives: connections that it has yet to
			// send would hang otherwise, and so it keeps them.
			r.ended = true
			if !errors.Is(err, errUnanswered) {
				resign(r.conn, err)
			}
			r.conn.Close()
			if !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) {
				r.log.Error("restart: cannot receive from an earlier generation; it keeps its connections", "error", err)
			}
			return
		}
	}
}

// sayReceiving makes the sender watch this process. It may be gone.
func (r *Receiver) sayReceiving() { _ = r.conn.Send(wire.TypeReceiving, wire.Receiving{}) }

// handle takes the descriptors.
func (r *Receiver) handle(f wire.Frame, fds []int) error {
	switch f.Type {
	case wire.TypeConns:
		var m wire.Conns
		if err := f.Decode(&m); err != nil {
			channel.CloseRaw(fds)
			return err
		}
		return r.adopt(m, fds)
	case wire.TypeLastState:
		files := channel.Files(fds)
		defer channel.CloseAll(files)
		var m wire.LastState
		if err := f.Decode(&m); err != nil {
			return err
		}
		r.merge(m, files)
	case wire.TypeSource:
		files := channel.Files(fds)
		var m wire.Source
		if err := f.Decode(&m); err != nil {
			channel.CloseAll(files)
			return err
		}
		for _, file := range files {
			conn, err := channel.Open(file)
			if err != nil {
				r.log.Error("restart: cannot open a channel that was passed on", "error", err)
				continue
			}
			r.to.Follow(conn, m)
		}
	case wire.TypeProgress:
		channel.CloseRaw(fds)
		var m wire.Progress
		if err := f.Decode(&m); err != nil {
			return err
		}
		r.progress.Store(&m)
		r.to.Drains(m)
	case wire.TypeConfirmed:
		channel.CloseRaw(fds)
		r.sayReceiving() // during the probation nobody listened
		r.to.Confirmed()
	case wire.TypeAbort:
		channel.CloseRaw(fds)
		var m wire.Abort
		_ = f.Decode(&m) // the words are all that could be missing
		r.to.Aborted(m.Reason)
	default:
		channel.CloseRaw(fds)
	}
	return nil
}

// errUnanswered says that the sender does not know what became of connections
// that it has sent. The end of the channel tells it that they are not its own any
// more.
var errUnanswered = errors.New("cannot answer")

// adopt gives the connections to their services and answers. It takes the
// descriptors.
func (r *Receiver) adopt(m wire.Conns, fds []int) error {
	answer := wire.Adopted{Batch: m.Batch}
	refuse := func(i int, err error) {
		if len(answer.Refused) == 0 {
			answer.Reason = wire.Clip(err.Error())
		}
		answer.Refused = append(answer.Refused, i)
	}
	came := min(len(m.Conns), len(fds))
	channel.CloseRaw(fds[came:])
	conns, errs := fdutil.StreamConns(fds[:came])
	for i, desc := range m.Conns {
		if i >= came {
			// The kernel closes those for which it finds no free number.
			refuse(i, errors.New("too many open files"))
		} else if errs[i] != nil {
			refuse(i, errs[i])
		} else if err := r.to.Adopt(r.translate(desc.Name), conns[i], desc.State); err != nil {
			conns[i].Close() // our descriptor only
			refuse(i, err)
		}
	}
	if len(answer.Refused) > 0 {
		r.log.Warn("restart: connections not adopted; the predecessor keeps them", "refused", len(answer.Refused), "reason", answer.Reason)
	}
	if err := r.conn.Send(wire.TypeAdopted, answer); err != nil {
		return fmt.Errorf("%w: %w", errUnanswered, err)
	}
	return nil
}

// resign says that this process has answered for all that it took.
func resign(conn *channel.Conn, why error) {
	_ = conn.Send(wire.TypeFailed, wire.Note{Text: wire.Clip(why.Error())}) // the sender may be gone
}

func (r *Receiver) merge(m wire.LastState, files []*os.File) {
	name := r.translate(m.Name)
	err := errors.New("no descriptor came with it (too many open files?)")
	var state []byte
	if m.Size < 0 || m.Size > MaxState {
		err = fmt.Errorf("%d bytes, at most %d", m.Size, MaxState)
	} else if len(files) == 1 {
		state, err = fdutil.ReadMemory(files[0], m.Size)
	}
	if err != nil {
		r.log.Error("restart: cannot receive the last state of a service", "listener", name, "error", err)
		return
	}
	r.to.Merge(name, state)
}

// translate returns our predecessor's name for a listener, empty if that has
// been dropped since.
func (r *Receiver) translate(name string) string {
	if r.names == nil {
		return name
	}
	return r.names[name]
}

// Generation returns that of the sender, 0 if it is not known.
func (r *Receiver) Generation() int { return r.progress.Load().Generation }

// Hammer asks the sender to end its drain by force. The error says that it
// cannot be told; it may have ended.
func (r *Receiver) Hammer() error { return r.conn.Send(wire.TypeHammer, wire.Hammer{}) }

// Stop ends receiving, but not in the middle of a batch: connections that were
// taken must not seem not to have been, or two processes would serve them. What
// comes later stays in the channel. Stop waits no longer than within, and
// reports whether receiving has ended: a service's Adopt may not return.
func (r *Receiver) Stop(within time.Duration) bool {
	r.conn.StopRecv()
	bound := time.NewTimer(within)
	defer bound.Stop()
	select {
	case <-r.done:
		return true
	case <-bound.C:
		return false
	}
}

// Done returns a channel that is closed when nothing is received any more.
func (r *Receiver) Done() <-chan struct{} { return r.done }

// PassOn sends the channel itself to the successor at the other end of to,
// after Stop. names says what we call the listeners, by our predecessor's names.
func (r *Receiver) PassOn(to *channel.Conn, names map[string]string) error {
	if r.ended {
		return nil
	}
	// Before the successor can say that it receives.
	err := r.conn.Send(wire.TypeReceiving, wire.Receiving{Over: true})
	if err != nil && !errors.Is(err, syscall.EPIPE) {
		return err // the sender would take our end for that of the channel
	}
	return PassOn(r.conn, wire.Source{Names: r.names, Progress: *r.progress.Load()}, to, names)
}

// PassOn is [Receiver.PassOn] for a channel from which nothing is received here. Its
// source is what came with it. Both ends stay the caller's.
func PassOn(conn *channel.Conn, source wire.Source, to *channel.Conn, names map[string]string) error {
	ours := names
	if source.Names != nil {
		ours = make(map[string]string)
		for theirs, pred := range source.Names {
			if name, ok := names[pred]; ok {
				ours[theirs] = name
			}
		}
	}
	f, err := conn.File()
	if err != nil {
		return err
	}
	defer f.Close()
	return to.Send(wire.TypeSource, wire.Source{Names: ours, Progress: source.Progress}, f)
}

// Decline closes a channel from which nobody has received. The sender is told, and
// keeps what it has sent: without that word it could not know whether somebody has
// that.
func Decline(conn *channel.Conn, why error) {
	resign(conn, why)
	conn.Close()
}

// Resign tells the sender, after Stop, that this process takes nothing any more.
// The sender then keeps what it has sent and this process has not received.
func (r *Receiver) Resign() {
	if !r.ended {
		resign(r.conn, errors.New("the process ends"))
	}
}

// Close gives up the channel.
func (r *Receiver) Close() { r.conn.Close() }
