package restart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"syscall"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/wire"
)

const (
	// maxConnState bounds the state that goes with a connection, so that a
	// message holds at least one.
	maxConnState = 32 << 10

	// batchesInFlight bounds how far the old process may be ahead of the new
	// one, and so how many descriptors are duplicated at a time.
	batchesInFlight = 4
)

// Why Send may fail; each is also what the error it returns wraps.
var (
	errSuccessorGone = errors.New("the successor is gone")
	errRefused       = errors.New("the successor did not take it")
)

// A Handover moves live connections of one service to the service of the same
// listener in the successor. All its methods may be called by several
// goroutines.
type Handover struct {
	name    string
	courier *courier
}

type handoverKey struct{}

// HandoverFrom returns the way to the successor that the context of a
// [Service]'s Shutdown carries. There is none when the process stops for good,
// and when the successor has dropped the listener or its service is no
// [Adopter]. It stays usable after Shutdown has returned, as long as one of the
// service's connections is open or another service still drains.
func HandoverFrom(ctx context.Context) (*Handover, bool) {
	h, ok := ctx.Value(handoverKey{}).(*Handover)
	return h, ok
}

type replacedKey struct{}

// Replaced reports whether another process serves the listener from now on:
// the successor, unless it has dropped it. ctx is the context of a [Service]'s
// Shutdown. A service that says elsewhere whether it is to be had, as a health
// check does, must take itself back only if this is false.
func Replaced(ctx context.Context) bool { return ctx.Value(replacedKey{}) != nil }

// Send moves c and up to 32 KiB of state. c must be a connection that this
// service accepted or adopted, as the listener gave it: not one wrapped in TLS,
// whose keys stay behind. Nothing may read from c any more, and what was read
// from it must have been acted upon or be part of the state.
//
// Send waits until the successor has taken the connection. Then it closes c
// here, which the peer does not notice, and returns nil. After an error nothing
// has happened to c: it is still open and the caller's.
func (h *Handover) Send(c net.Conn, state []byte) error {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return fmt.Errorf("restart: hand over: a %T has no descriptor of its own", c)
	}
	if len(state) > maxConnState {
		return fmt.Errorf("restart: hand over: %d bytes of state, at most %d", len(state), maxConnState)
	}
	set := setOf(c)
	if set != nil && !set.depart(c, true) {
		return fmt.Errorf("restart: hand over: %w", errSealed)
	}
	p := &parcel{name: h.name, conn: raw, state: state, done: make(chan error, 1)}
	if err := h.courier.deliver(p); err != nil {
		if set != nil {
			set.depart(c, false)
		}
		return fmt.Errorf("restart: hand over: %w", err)
	}
	c.Close()
	return nil
}

// A parcel is a connection on its way.
type parcel struct {
	name  string
	conn  syscall.Conn
	state []byte
	done  chan error
}

// A courier takes connections to the successor in batches. One goroutine sends
// and one receives the answers; leave waits for both.
type courier struct {
	conn   *channel.Conn
	queue  chan *parcel
	window chan struct{} // a token for each batch that may be sent

	mu       sync.Mutex
	sent     map[uint64][]*parcel // batches not answered yet
	moved    int
	refused  int
	why      string        // the first refusal
	gone     chan struct{} // closed when no answer can come any more
	finished sync.WaitGroup
}

func newCourier(conn *channel.Conn) *courier {
	c := &courier{
		conn:   conn,
		queue:  make(chan *parcel),
		window: make(chan struct{}, batchesInFlight),
		sent:   make(map[uint64][]*parcel),
		gone:   make(chan struct{}),
	}
	c.finished.Go(c.receive)
	c.finished.Go(c.send)
	return c
}

func (c *courier) deliver(p *parcel) error {
	select {
	case c.queue <- p:
		return <-p.done
	case <-c.gone:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.countLocked(errSuccessorGone)
		return errSuccessorGone
	}
}

// countLocked counts how one connection ended up.
func (c *courier) countLocked(err error) {
	if err == nil {
		c.moved++
		return
	}
	c.refused++
	if c.why == "" {
		c.why = err.Error()
	}
}

// send gathers what waits into as few messages as it fits.
func (c *courier) send() {
	for batch := uint64(1); ; batch++ {
		var parcels []*parcel
		select {
		case p := <-c.queue:
			parcels = append(parcels, p)
		case <-c.gone:
			return
		}
		size := len(parcels[0].state)
		for more := true; more && len(parcels) < wire.MaxFiles && size < maxConnState/2; {
			select {
			case p := <-c.queue:
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
			case c.window <- struct{}{}:
				c.dispatch(batch, now)
				if len(parcels) > 0 {
					batch++
				}
			case <-c.gone:
				c.settle(append(now, parcels...), errSuccessorGone)
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

// dispatch sends one batch; the answer settles it.
func (c *courier) dispatch(batch uint64, parcels []*parcel) {
	msg := wire.Conns{Batch: batch}
	var fds []int
	var going []*parcel
	for _, p := range parcels {
		fd, err := fdutil.DupRaw(p.conn)
		if err != nil {
			c.settle([]*parcel{p}, err) // closed in the meantime, or no descriptors left
			continue
		}
		fds, going = append(fds, fd), append(going, p)
		msg.Conns = append(msg.Conns, wire.Conn{Name: p.name, State: p.state})
	}
	if len(going) == 0 {
		<-c.window
		return
	}
	c.mu.Lock()
	c.sent[batch] = going
	c.mu.Unlock()
	if err := c.conn.SendRaw(wire.TypeConns, msg, fds); err != nil {
		c.answer(wire.Adopted{Batch: batch, Reason: err.Error()}, fmt.Errorf("%w: %w", errSuccessorGone, err))
	}
}

// receive settles what the successor answers, and everything when it is gone.
func (c *courier) receive() {
	defer c.abandon()
	for {
		f, files, err := c.conn.Recv()
		channel.CloseAll(files)
		if err != nil {
			if !errors.Is(err, io.EOF) {
				c.conn.Close() // nothing that it says makes sense any more
			}
			return
		}
		var m wire.Adopted
		if f.Type != wire.TypeAdopted || f.Decode(&m) != nil {
			continue
		}
		c.answer(m, nil)
	}
}

// answer settles a batch: as the successor says, or all of it with err.
func (c *courier) answer(m wire.Adopted, err error) {
	c.mu.Lock()
	parcels, ok := c.sent[m.Batch]
	delete(c.sent, m.Batch)
	results := make([]error, len(parcels))
	for i := range parcels {
		switch {
		case err != nil:
			results[i] = err
		case slices.Contains(m.Refused, i):
			results[i] = fmt.Errorf("%w: %s", errRefused, m.Reason)
		}
		c.countLocked(results[i])
	}
	c.mu.Unlock()
	for i, p := range parcels {
		p.done <- results[i]
	}
	if ok {
		<-c.window
	}
}

// abandon settles what was sent and will not be answered. Whether the
// successor had begun to read from a connection when it died is not known; what
// it read is lost with it, what comes next is not.
func (c *courier) abandon() {
	close(c.gone)
	c.mu.Lock()
	var batches []uint64
	for b := range c.sent {
		batches = append(batches, b)
	}
	c.mu.Unlock()
	for _, b := range batches {
		c.answer(wire.Adopted{Batch: b}, errSuccessorGone)
	}
}

// settle ends what was not sent.
func (c *courier) settle(parcels []*parcel, err error) {
	for _, p := range parcels {
		c.mu.Lock()
		c.countLocked(err)
		c.mu.Unlock()
		p.done <- err
	}
}

// counts returns how many connections were moved and how many were not, and
// why the first of these was not.
func (c *courier) counts() (moved, refused int, why string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved, c.refused, c.why
}

// leave closes the channel and waits for the goroutines.
func (c *courier) leave() {
	c.conn.Close()
	c.finished.Wait()
}
