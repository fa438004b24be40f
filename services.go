package restart

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// services are those whose Serve has been called. Only the loop reads and writes the
// counts: it gets a message for every change.
type services struct {
	mail mailbox

	started   int // sockets of the table, the first ones
	accepting int // services that have called Accept, and those of datagrams
	running   int // services whose Serve has not returned

	group    *errgroup.Group
	failing  context.Context // ends with the first service that fails
	failures failures
	waiting  sync.WaitGroup // goroutines that wait for an Accept
}

func newServices(mail mailbox) *services {
	s := &services{mail: mail}
	s.group, s.failing = errgroup.WithContext(context.Background())
	return s
}

// start calls Serve of the socket's service.
func (ss *services) start(s *socket) {
	ss.running++
	if s.ln == nil {
		ss.accepting++
	} else {
		ss.waiting.Go(func() {
			select {
			case <-s.ln.Accepting():
				ss.mail.post(serviceAccepts{s, s.adoptedKinds()})
			case <-ss.mail.closed:
			}
		})
	}
	ss.group.Go(func() error {
		err := s.serve()
		// After Shutdown no error of Serve is a failure.
		if err == nil || isClosing(err) || s.shutDown.Load() {
			ss.mail.post(serviceEnded{s})
			return nil
		}
		err = fmt.Errorf("restart: service %q: %w", s.name, err)
		ss.failures.add(err)
		return err
	})
}

// ended returns a channel that is closed when every Serve has returned.
func (ss *services) ended() <-chan struct{} {
	return whenReturned(func() { _ = ss.group.Wait() }) // failures has the errors
}

// failures holds the errors that services returned from Serve: errgroup keeps only
// the first one.
type failures struct {
	mu   sync.Mutex
	errs []error
}

func (f *failures) add(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.errs = append(f.errs, err)
}

func (f *failures) all() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.errs)
}
