// Package transfer moves live connections, and the last state of services, from
// one generation to the next. The Sender is in the old process, the Receiver in
// the new one.
package transfer

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

const (
	// MaxConnState bounds the state that goes with a connection, so that a
	// message holds at least one.
	MaxConnState = 32 << 10

	// MaxState bounds the state of one service.
	MaxState = 64 << 20

	// MaxStates bounds the states of all services together, names included.
	MaxStates = 4 * MaxState

	// batchesInFlight bounds how far the old process may be ahead of the new
	// one, and so how many descriptors are duplicated at a time.
	batchesInFlight = 4
)

// Why Send fails. The error that it returns wraps one of these, or says why the
// descriptor could not be duplicated. Only after ErrUncertain may somebody have
// read from the connection.
var (
	ErrGone      = errors.New("the successor is gone")
	ErrRefused   = errors.New("the successor did not take it")
	ErrUncertain = errors.New("the successor died before it answered and may have used the connection")
)

// A Sender sends connections to the successor in batches. One goroutine sends
// and one receives the answers; Close waits for both. Its methods may be called
// by several goroutines.
type Sender struct {
	conn   *channel.Conn
	queue  chan *parcel
	window chan struct{} // a token for each batch that may be sent

	mu         sync.Mutex
	unanswered map[uint64][]*parcel // batches by number
	counts     Counts

	receiver   atomic.Int64  // the process that has said that it receives, 0: not known
	gone       chan struct{} // closed when no answer can come any more
	died       chan struct{} // closed when the channel has ended without a message "failed"
	hammered   chan struct{} // closed when the successor has asked for the end of the drain
	hammerOnce sync.Once
	stopped    chan struct{} // closed when nothing is sent any more
	goroutines sync.WaitGroup
}

// Counts says what became of the connections that were sent.
type Counts struct {
	Moved     int
	Refused   int // and those that could not be sent
	Uncertain int
	Reason    string // of the first that did not move
}

// A parcel is a connection on its way.
type parcel struct {
	name  string
	conn  syscall.Conn
	state []byte
	done  chan error
}

// NewSender returns a Sender to the successor at the other end of conn, which it
// takes.
func NewSender(conn *channel.Conn) *Sender {
	s := &Sender{
		conn:       conn,
		queue:      make(chan *parcel),
		window:     make(chan struct{}, batchesInFlight),
		unanswered: make(map[uint64][]*parcel),
		gone:       make(chan struct{}),
		died:       make(chan struct{}),
		hammered:   make(chan struct{}),
		stopped:    make(chan struct{}),
	}
	s.goroutines.Go(s.receiveAnswers)
	s.goroutines.Go(s.sendBatches)
	return s
}

// Send sends a duplicate of c's descriptor and at most MaxConnState bytes of
// state to the service of the listener name, and waits for the answer. It
// borrows c. After an error the successor does not have the connection and has
// not had it, unless the error is ErrUncertain.
func (s *Sender) Send(name string, c syscall.Conn, state []byte) error {
	p := &parcel{name: name, conn: c, state: state, done: make(chan error, 1)}
	select {
	case s.queue <- p:
		return <-p.done
	case <-s.gone:
		s.mu.Lock()
		defer s.mu.Unlock()
		s.countLocked(ErrGone)
		return ErrGone
	}
}

// SendLastState sends what the service of the listener name has changed since
// it gave its state. It does not wait for the successor.
func (s *Sender) SendLastState(name string, state []byte) error {
	f, err := fdutil.Memory(state)
	if err != nil {
		return err
	}
	defer f.Close()
	return s.conn.Send(wire.TypeLastState, wire.LastState{Name: name, Size: int64(len(state))}, f)
}

// Progress tells the successor how far the drain is. It does not wait for an
// answer; an older successor ignores it.
func (s *Sender) Progress(p wire.Progress) error { return s.conn.Send(wire.TypeProgress, p) }

// Hammered returns a channel that is closed when the successor has asked for the
// end of the drain.
func (s *Sender) Hammered() <-chan struct{} { return s.hammered }

// Died returns a channel that is closed when no process receives any more, and none
// has said that it ends in good order.
func (s *Sender) Died() <-chan struct{} { return s.died }

// Receiver returns the PID of the process that receives: the successor, or a later
// one if that has been replaced in turn. It is 0 if that is not known.
func (s *Sender) Receiver() int { return int(s.receiver.Load()) }

// Counts returns what became of the connections so far.
func (s *Sender) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// Close closes the channel and waits for the goroutines.
func (s *Sender) Close() {
	s.conn.Close()
	s.goroutines.Wait()
}

// sendBatches puts as many of the waiting parcels into a message as fit.
func (s *Sender) sendBatches() {
	defer close(s.stopped)
	for batch := uint64(1); ; batch++ {
		var parcels []*parcel
		select {
		case p := <-s.queue:
			parcels = append(parcels, p)
		case <-s.gone:
			return
		}
		size := len(parcels[0].state)
		for more := true; more && len(parcels) < channel.MaxFiles && size < MaxConnState/2; {
			select {
			case p := <-s.queue:
				parcels = append(parcels, p)
				size += len(p.state)
			default:
				more = false
			}
		}
		for len(parcels) > 0 {
			var now []*parcel
			now, parcels = fit(parcels)
			select {
			case s.window <- struct{}{}:
				s.sendBatch(batch, now)
				if len(parcels) > 0 {
					batch++
				}
			case <-s.gone:
				s.fail(append(now, parcels...), ErrGone)
				return
			}
		}
	}
}

// fit cuts off as many parcels as one message holds.
func fit(parcels []*parcel) (now, later []*parcel) {
	size := 0
	for i, p := range parcels {
		// Base64, and the name written with escapes at worst.
		size += len(p.state)*4/3 + 6*len(p.name) + 64
		if i > 0 && size > wire.MaxFrame-1024 {
			return parcels[:i], parcels[i:]
		}
	}
	return parcels, nil
}

func (s *Sender) sendBatch(batch uint64, parcels []*parcel) {
	msg := wire.Conns{Batch: batch}
	var fds []int
	var going []*parcel
	for _, p := range parcels {
		fd, err := fdutil.DupRaw(p.conn)
		if err != nil {
			s.fail([]*parcel{p}, err) // closed in the meantime, or no descriptors left
			continue
		}
		fds, going = append(fds, fd), append(going, p)
		msg.Conns = append(msg.Conns, wire.Conn{Name: p.name, State: p.state})
	}
	if len(going) == 0 {
		<-s.window
		return
	}
	s.mu.Lock()
	s.unanswered[batch] = going
	s.mu.Unlock()
	if err := s.conn.SendRaw(wire.TypeConns, msg, fds); err != nil {
		s.finish(wire.Adopted{Batch: batch}, fmt.Errorf("%w: %w", ErrGone, err))
	}
}

// receiveAnswers finishes the batches that the successor answers, and all of
// them when it is gone.
func (s *Sender) receiveAnswers() {
	unanswered := ErrUncertain
	defer func() { s.abandon(unanswered) }()
	var receiver *watch // nil: nobody has said that it receives, or that is not known
	defer func() { receiver.stop() }()
	for {
		if receiver.hasEnded() && !s.conn.Waiting() {
			s.conn.Cut() // for us the process's end is that of the channel
		}
		f, files, err := s.conn.Recv()
		channel.CloseAll(files)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			_ = s.conn.SetDeadline(time.Time{}) // a watch has ended; the channel may be closed
			continue
		}
		if err != nil {
			if !errors.Is(err, io.EOF) {
				s.conn.Close() // its answers cannot be understood any more
			} else if unanswered == ErrUncertain {
				close(s.died)
			}
			return
		}
		switch f.Type {
		case wire.TypeAdopted:
			var m wire.Adopted
			if f.Decode(&m) == nil {
				s.finish(m, nil)
			}
		case wire.TypeFailed:
			unanswered = ErrGone // it has answered all that it took
		case wire.TypeHammer:
			s.hammerOnce.Do(func() { close(s.hammered) })
		case wire.TypeReceiving:
			receiver.stop()
			receiver = nil
			s.receiver.Store(0)
			var m wire.Receiving
			if pid, told := s.conn.Sender(); f.Decode(&m) == nil && !m.Over && told {
				s.receiver.Store(int64(pid))
				receiver = watchReceiver(s.conn, pid)
			}
		}
	}
}

// finish ends a batch: as the successor says, or all of it with err.
func (s *Sender) finish(m wire.Adopted, err error) {
	s.mu.Lock()
	parcels, ok := s.unanswered[m.Batch]
	delete(s.unanswered, m.Batch)
	results := make([]error, len(parcels))
	for i := range parcels {
		switch {
		case err != nil:
			results[i] = err
		case slices.Contains(m.Refused, i):
			results[i] = fmt.Errorf("%w: %s", ErrRefused, m.Reason)
		}
		s.countLocked(results[i])
	}
	s.mu.Unlock()
	for i, p := range parcels {
		p.done <- results[i]
	}
	if ok {
		<-s.window
	}
}

// abandon ends with err what was sent and will not be answered. It waits until
// nothing is sent any more: a batch that is just being sent would be ended by nobody,
// or with err though it could not be sent.
func (s *Sender) abandon(err error) {
	close(s.gone)
	<-s.stopped
	s.mu.Lock()
	var batches []uint64
	for b := range s.unanswered {
		batches = append(batches, b)
	}
	s.mu.Unlock()
	for _, b := range batches {
		s.finish(wire.Adopted{Batch: b}, err)
	}
}

// fail ends with err what was not sent.
func (s *Sender) fail(parcels []*parcel, err error) {
	for _, p := range parcels {
		s.mu.Lock()
		s.countLocked(err)
		s.mu.Unlock()
		p.done <- err
	}
}

func (s *Sender) countLocked(err error) {
	switch {
	case err == nil:
		s.counts.Moved++
		return
	case errors.Is(err, ErrUncertain):
		s.counts.Uncertain++
	default:
		s.counts.Refused++
	}
	if s.counts.Reason == "" {
		s.counts.Reason = err.Error()
	}
}
