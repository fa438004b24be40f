package servicetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"example.com/restart"
)

// A subject is a service under test, with its listener and its clients.
type subject struct {
	limits
	make    func() restart.Service
	service restart.Service
	probe   func(net.Conn) error
	gate    *gate
	serve   *call // nil before Serve is called
	drained bool  // Shutdown was called
	early   error // Serve returned before Shutdown was called
	clients []net.Conn
}

func newSubject(makeService func() restart.Service, probe func(net.Conn) error, l limits) (*subject, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &subject{
		limits:  l,
		make:    makeService,
		service: makeService(),
		probe:   probe,
		gate:    newGate(listener),
	}, nil
}

// A call is one of a method of the service, in a goroutine of its own.
type call struct {
	returned chan struct{}
	err      error // valid when returned is closed
}

func begin(method func() error) *call {
	c := &call{returned: make(chan struct{})}
	go func() {
		defer close(c.returned)
		c.err = method()
	}()
	return c
}

func (c *call) hasReturned() bool {
	select {
	case <-c.returned:
		return true
	default:
		return false
	}
}

// start calls Serve and waits until it accepts.
func (s *subject) start() error {
	s.startSoon()
	select {
	case <-s.gate.reached:
		return nil
	case <-s.serve.returned:
		return fmt.Errorf("call of Serve returned at once: %w", s.serve.err)
	case <-time.After(s.patience):
		return fmt.Errorf("call of Serve has not reached Accept within %v", s.patience)
	}
}

func (s *subject) startSoon() {
	s.serve = begin(func() error { return s.service.Serve(s.gate) })
}

// dial connects a client to the service.
func (s *subject) dial() (net.Conn, error) { return s.connect(s.gate.Addr()) }

func (s *subject) connect(to net.Addr) (net.Conn, error) {
	c, err := net.Dial(to.Network(), to.String())
	if err != nil {
		return nil, err
	}
	s.clients = append(s.clients, c)
	return c, c.SetDeadline(time.Now().Add(s.patience))
}

// exchange probes the service on a new connection.
func (s *subject) exchange() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	return s.check(c)
}

func (s *subject) check(c net.Conn) error {
	if err := s.probe(c); err != nil {
		return fmt.Errorf("probe: %w", err)
	}
	return nil
}

// shutdown drains as a Restarter does: it stops accepting and calls Shutdown.
func (s *subject) shutdown(ctx context.Context) *call {
	if s.serve != nil && s.serve.hasReturned() {
		s.early = fmt.Errorf("call of Serve returned before Shutdown was called: %w", s.serve.err)
	}
	s.gate.stop()
	s.drained = true
	return begin(func() error { return s.service.Shutdown(ctx) })
}

// finish waits until Shutdown has returned, and then Serve.
func (s *subject) finish(shutdown *call) error {
	if err := s.awaitCall("Shutdown", shutdown); err != nil {
		if !shutdown.hasReturned() && !s.serve.hasReturned() {
			err = fmt.Errorf("%w. If it waits for Serve, it must close the listener before, as restart.ServeOnce.Stop does", err)
		}
		return err
	}
	return s.serveEnds()
}

// serveEnds closes the listener, as a Restarter does at the end of a drain, and
// waits until Serve has returned. Its error does not matter any more.
func (s *subject) serveEnds() error {
	if s.early != nil {
		return s.early
	}
	s.gate.Close()
	return await(s, "Serve has not returned, though the listener is closed", s.serve.returned)
}

// await waits until done is closed. If that takes too long it returns an error
// with the complaint.
func await(s *subject, complaint string, done <-chan struct{}) error {
	bound := time.NewTimer(s.patience)
	defer bound.Stop()
	select {
	case <-done:
		return nil
	case <-bound.C:
		return fmt.Errorf("%s, after %v", complaint, s.patience)
	}
}

// awaitCall waits for a method that must return nil or an error that says that
// the service was closed.
func (s *subject) awaitCall(method string, c *call) error {
	if err := await(s, method+" has not returned", c.returned); err != nil {
		return err
	}
	if c.err != nil && !isClosing(c.err) {
		return fmt.Errorf("%s returned an error: %w", method, c.err)
	}
	return nil
}

// isClosing reports whether err says that the service was closed. The texts are
// those of http.ErrServerClosed and grpc.ErrServerStopped.
func isClosing(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e.Error() {
		case "http: Server closed", "grpc: the server has been stopped":
			return true
		}
	}
	return errors.Is(err, net.ErrClosed)
}

// closer returns the service if it has a Close, else nil.
func (s *subject) closer() io.Closer {
	c, _ := s.service.(io.Closer)
	return c
}

// hangUp closes all connections of clients.
func (s *subject) hangUp() {
	for _, c := range s.clients {
		c.Close()
	}
}

// end leaves nothing behind but the goroutines that the service does not end.
func (s *subject) end() {
	s.hangUp()
	if !s.drained {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		s.shutdown(ctx)
	}
	s.gate.Close()
	s.gate.cut()
	if c := s.closer(); c != nil {
		c.Close()
	}
}
