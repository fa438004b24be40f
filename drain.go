package restart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/go-multierror"
)

// closeGrace is what services get to return from Serve and Shutdown after they
// were closed by force.
const closeGrace = 2 * time.Second

// A drain finishes what was begun. Its order:
//
//  1. Stop accepting, so that the work can only become less. Where no
//     successor has a socket, the clients in its accept queue are served
//     first: the kernel would reset them.
//  2. Shutdown of all services together, for they share one deadline. Each
//     announces, hands over and waits as its protocol can.
//  3. Wait for the connections that services do not know any more, such as
//     hijacked ones.
//  4. Close what is left when the time is up: the hammer.
type drain struct {
	sockets []*socket
	left    func(*socket) bool      // whether nobody else has the socket
	to      func(*socket) *Handover // the way to the successor, nil if there is none
	within  time.Duration           // negative: no bound
	hammer  <-chan struct{}         // closed to end it by force
	served  <-chan struct{}         // closed when every Serve has returned
	log     *slog.Logger
	began   time.Time

	wasCut atomic.Int64 // connections closed by force
}

var errHammer = errors.New("restart: the drain's time is up")

// run drains and returns every service's error.
func (d *drain) run() error {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if d.within >= 0 {
		timer := time.AfterFunc(d.within, func() { cancel(errHammer) })
		defer timer.Stop()
	}
	go func() {
		select {
		case <-d.hammer:
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
	for _, s := range d.sockets {
		s.close()
	}
	return d.collect(errs)
}

// giveUp stops the listeners that somebody else has. It does not block.
func (d *drain) giveUp() {
	for _, s := range d.sockets {
		if s.ln != nil && !d.left(s) {
			s.ln.stop()
		}
	}
}

func (d *drain) stopAccepting(ctx context.Context) {
	d.giveUp()
	var wg sync.WaitGroup
	for _, s := range d.sockets {
		if s.ln == nil || !d.left(s) {
			continue
		}
		if s.ln.isAccepting() {
			wg.Go(func() { s.ln.empty(ctx) })
		} else {
			s.ln.stop()
		}
	}
	wg.Wait()
}

// shutdown calls every service's Shutdown and waits until all have returned or
// the time is up; what comes later is not waited for here. The channel yields
// one result for each service, nil ones too.
func (d *drain) shutdown(ctx context.Context) <-chan error {
	errs := make(chan error, len(d.sockets))
	var wg sync.WaitGroup
	for _, s := range d.sockets {
		wg.Go(func() {
			ctx := ctx
			if !d.left(s) {
				ctx = context.WithValue(ctx, replacedKey{}, true)
			}
			if h := d.to(s); h != nil {
				ctx = context.WithValue(ctx, handoverKey{}, h)
			}
			err := s.service().Shutdown(ctx)
			if err != nil && !isClosing(err) && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
				errs <- fmt.Errorf("restart: service %q: %w", s.name, err)
				return
			}
			errs <- nil
		})
	}
	all := make(chan struct{})
	go func() { wg.Wait(); close(all) }()
	select {
	case <-all:
	case <-ctx.Done():
	}
	return errs
}

func (d *drain) waitForConns(ctx context.Context) {
	for _, s := range d.sockets {
		if s.ln == nil {
			continue
		}
		for !s.ln.conns.seal() {
			if !arrives(ctx, s.ln.conns.whenEmpty()) {
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

// cut ends what is left. A FIN goes first, so that answers that were written
// completely still arrive.
func (d *drain) cut() {
	var conns, leaving []net.Conn
	for _, s := range d.sockets {
		if s.ln != nil {
			here, away := s.ln.conns.shut()
			conns, leaving = append(conns, here...), append(leaving, away...)
		}
	}
	for _, c := range conns {
		halfClose(c)
	}
	d.waitGone(cutGrace)
	d.closeServices()
	for _, c := range slices.Concat(conns, leaving) {
		c.Close() // once more does no harm
	}
	d.wasCut.Store(int64(len(conns)))
	d.log.Warn("restart: hammer: connections closed by force", "cut", len(conns))
}

// closeServices calls Close of those that have it, and waits a bounded time:
// Close is foreign code, and the hammer must hold against that too.
func (d *drain) closeServices() {
	var wg sync.WaitGroup
	for _, s := range d.sockets {
		if c, ok := s.service().(io.Closer); ok {
			wg.Go(func() {
				if err := c.Close(); err != nil && !isClosing(err) {
					d.log.Warn("restart: Close of a service failed", "listener", s.name, "error", err)
				}
			})
		}
	}
	closed := make(chan struct{})
	go func() { wg.Wait(); close(closed) }()
	bound := time.NewTimer(closeGrace)
	defer bound.Stop()
	select {
	case <-closed:
	case <-bound.C:
		d.log.Warn("restart: Close of a service does not return", "services", d.names())
	}
}

// waitGone waits a bounded time for the connections to go.
func (d *drain) waitGone(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, s := range d.sockets {
		if s.ln != nil && !arrives(ctx, s.ln.conns.whenEmpty()) {
			return
		}
	}
}

// collect waits for what the services still owe and puts their errors
// together. A service that does not return even now is named.
func (d *drain) collect(results <-chan error) error {
	var errs *multierror.Error
	bound := time.NewTimer(closeGrace)
	defer bound.Stop()
	served := d.served
	for n := len(d.sockets); n > 0 || served != nil; {
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
	for _, s := range d.sockets {
		names = append(names, fmt.Sprintf("%q", s.name))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// oneLine makes an error of errs whose text fits a log line; nil if there are
// none.
func oneLine(errs *multierror.Error) error {
	if errs == nil {
		return nil
	}
	errs.ErrorFormat = func(all []error) string {
		texts := make([]string, len(all))
		for i, err := range all {
			texts[i] = err.Error()
		}
		return strings.Join(texts, "; ")
	}
	return errs.ErrorOrNil()
}
