package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-multierror"

	"example.com/restart/internal/transfer"
)

// closeGrace is the time that services have to return from Serve and Shutdown after
// they were closed by force. cutGrace is the time that peers have to close their side.
const (
	closeGrace = 2 * time.Second
	cutGrace   = 100 * time.Millisecond
)

// A drain finishes what was begun. Its order:
//
//  1. Stop accepting, so that the work can only become less. Where no other
//     process has a socket, the clients in its accept queue are served first:
//     the kernel would reset them.
//  2. Shutdown of all services together, for they share one deadline. Each
//     announces, hands over and waits as its protocol can.
//  3. Wait for the connections that services no longer know, such as hijacked ones.
//  4. Close what is left when the time is up: the hammer.
//
// A drain has its own goroutines. It shares with the loop only what is safe for
// concurrent use.
type drain struct {
	parts  []*part
	within time.Duration    // negative: no bound
	sender *transfer.Sender // to the successor, nil if there is none
	served <-chan struct{}  // closed when every Serve has returned
	log    *slog.Logger
	began  time.Time

	ended     chan struct{} // closed when run has returned
	reported  chan struct{} // closed when report has returned; nil: it does not run
	forced    chan struct{} // closed to end the drain by force
	forceOnce sync.Once
	wasCut    atomic.Int64 // connections closed by force
}

// A part is one socket that is drained, and its service.
type part struct {
	*socket
	lastOwner bool      // no process that goes on has the socket
	handover  *Handover // the way to the successor, nil if there is none

	lastState sync.Once // for sendLastState
}

func newDrain(within time.Duration, sender *transfer.Sender, served <-chan struct{}, log *slog.Logger) *drain {
	return &drain{
		within: within, sender: sender, served: served, log: log,
		began: time.Now(), ended: make(chan struct{}), forced: make(chan struct{}),
	}
}

// force ends the drain by force, and reports whether this is the first time.
func (d *drain) force() (first bool) {
	d.forceOnce.Do(func() { close(d.forced); first = true })
	return first
}

var errHammer = errors.New("restart: the drain's time is up")

// run drains and returns the errors of all services.
func (d *drain) run() error {
	defer close(d.ended)
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if d.within >= 0 {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, d.within, errHammer)
		defer stop()
	}
	go func() {
		select {
		case <-d.forced:
			cancel(errHammer)
		case <-d.forcedBySuccessor():
			d.log.Warn("restart: hammer", "why", "the successor asks for it")
			cancel(errHammer)
		case <-ctx.Done():
		}
	}()

	d.stopAccepting(ctx)
	errs := d.shutdown(ctx)
	d.waitForConns(ctx)
	if context.Cause(ctx) == errHammer {
		d.cut()
	}
	for _, p := range d.parts {
		p.close()
	}
	err := d.collect(errs)
	for _, p := range d.parts {
		d.sendLastState(p) // unless it was sent before the hammer
	}
	return err
}

// stopShared stops the listeners that another process has, too. It does not block.
func (d *drain) stopShared() {
	for _, p := range d.parts {
		if p.ln != nil && !p.lastOwner {
			p.ln.Stop()
		}
	}
}

func (d *drain) stopAccepting(ctx context.Context) {
	d.stopShared()
	var wg sync.WaitGroup
	for _, p := range d.parts {
		if p.ln != nil && p.lastOwner {
			wg.Go(func() { p.ln.Empty(ctx) })
		}
	}
	wg.Wait()
}

// shutdown calls every service's Shutdown and waits until all have returned or
// the time is up. Those that return later are waited for by collect: the channel
// yields one result for each service, nil ones too.
func (d *drain) shutdown(ctx context.Context) <-chan error {
	errs := make(chan error, len(d.parts))
	var wg sync.WaitGroup
	for _, p := range d.parts {
		wg.Go(func() {
			ctx := ctx
			if !p.lastOwner {
				ctx = context.WithValue(ctx, replacedKey{}, true)
			}
			if p.handover != nil {
				ctx = context.WithValue(ctx, handoverKey{}, p.handover)
			}
			p.shutDown.Store(true)
			err := p.service().Shutdown(ctx)
			if p.ln == nil || arrives(ctx, p.ln.Conns().WhenEmpty()) {
				d.sendLastState(p)
			}
			if err != nil && !isClosing(err) && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
				errs <- fmt.Errorf("restart: service %q: %w", p.name, err)
				return
			}
			errs <- nil
		})
	}
	arrives(ctx, whenReturned(wg.Wait))
	return errs
}

// sendLastState sends the successor the last state of the service of p, once. It is
// called when no connection is left that could change that state.
func (d *drain) sendLastState(p *part) {
	m, ok := p.service().(StateMerger)
	if !ok || d.sender == nil || p.lastOwner {
		return
	}
	p.lastState.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
		defer cancel()
		state, err := bounded(ctx, "LastState", m.LastState)
		switch {
		case err == nil && len(state) > transfer.MaxState:
			err = fmt.Errorf("%d bytes, at most %d", len(state), transfer.MaxState)
		case err == nil && state != nil:
			err = d.sender.SendLastState(p.name, state)
		}
		if err != nil {
			d.log.Error("restart: cannot send the last state of a service", "listener", p.name, "error", err)
		}
	})
}

func (d *drain) waitForConns(ctx context.Context) {
	for _, p := range d.parts {
		if p.ln == nil {
			continue
		}
		for !p.ln.Conns().SealIfEmpty() {
			if !arrives(ctx, p.ln.Conns().WhenEmpty()) {
				return
			}
		}
	}
}

// arrives waits for done or the end of ctx, and reports whether it was done.
func arrives(ctx context.Context, done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	case <-ctx.Done():
		return false
	}
}

// whenReturned calls wait and returns a channel that is closed when wait has
// returned.
func whenReturned(wait func()) <-chan struct{} {
	done := make(chan struct{})
	go func() { wait(); close(done) }()
	return done
}

// collect waits until every Shutdown and every Serve has returned, and joins the
// errors. If some have not returned after closeGrace, the error names the services.
func (d *drain) collect(results <-chan error) error {
	var errs *multierror.Error
	bound := time.NewTimer(closeGrace)
	defer bound.Stop()
	served := d.served
	for n := len(d.parts); n > 0 || served != nil; {
		if n == 0 {
			results = nil
		}
		select {
		case err := <-results:
			n--
			if err != nil {
				errs = multierror.Append(errs, err)
			}
		case <-served:
			served = nil
		case <-bound.C:
			errs = multierror.Append(errs, fmt.Errorf("restart: services of %s did not return within %v of being closed", d.names(), closeGrace))
			n, served = 0, nil
		}
	}
	return oneLine(errs)
}

func (d *drain) names() string {
	var names []string
	for _, p := range d.parts {
		names = append(names, fmt.Sprintf("%q", p.name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// forcedBySuccessor returns a channel that is closed when the successor asks for the end.
func (d *drain) forcedBySuccessor() <-chan struct{} {
	if d.sender == nil {
		return nil
	}
	return d.sender.Hammered()
}
