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

// A subject is a service under test.
type subject struct {
	make    func() restart.Service
	service restart.Service
	probe   func(net.Conn) error
	gate    *gate
	served  chan error // what Serve returned
	serving bool       // Serve was called and has not been waited for
	drained bool       // Shutdown was called
	clients []net.Conn

	patience time.Duration // bounds every wait
}

func newSubject(makeService func() restart.Service, probe func(net.Conn) error, patience time.Duration) (*subject, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	return &subject{
		make:    makeService,
		service: makeService(),
		probe:   probe,
		gate:    newGate(l),
		served:  make(chan error, 1),

		patience: patience,
	}, nil
}

// start calls Serve and waits until it accepts.
func (s *subject) start() error {
	s.startSoon()
	bound := time.NewTimer(s.patience)
	defer bound.Stop()
	select {
	case <-s.gate.reached:
		return nil
	case err := <-s.served:
		s.serving = false
		return fmt.Errorf("at once, Serve returned: %w", err)
	case <-bound.C:
		return fmt.Errorf("not within %v: Serve calls Accept", s.patience)
	}
}

func (s *subject) startSoon() {
	s.serving = true
	go func() { s.served <- s.service.Serve(s.gate) }()
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

// shutdown drains as Restarter does: first nothing is accepted any more.
func (s *subject) shutdown(ctx context.Context) <-chan error {
	s.gate.stop()
	s.drained = true
	done := make(chan error, 1)
	go func() { done <- s.service.Shutdown(ctx) }()
	return done
}

// finish waits for what Shutdown returns, and then for Serve.
func (s *subject) finish(done <-chan error) error {
	if err := awaitError(s, "Shutdown returns", done); err != nil {
		return err
	}
	return s.serveEnds()
}

// serveEnds closes the listener, as Restarter does at the end of a drain, and
// checks how Serve returns.
func (s *subject) serveEnds() error {
	if !s.serving {
		return nil
	}
	s.gate.Close()
	s.serving = false
	return awaitError(s, "Serve returns", s.served)
}

// await waits for something that the service must do.
func await[T any](s *subject, what string, done <-chan T) (v T, err error) {
	bound := time.NewTimer(s.patience)
	defer bound.Stop()
	select {
	case v = <-done:
		return v, nil
	case <-bound.C:
		return v, fmt.Errorf("not within %v: %s", s.patience, what)
	}
}

// awaitError waits for the service to return from something. An error that
// says that the service was closed is none.
func awaitError(s *subject, what string, done <-chan error) error {
	failure, err := await(s, what, done)
	if err == nil && failure != nil && !isClosing(failure) {
		return fmt.Errorf("%s, but with the error: %w", what, failure)
	}
	return err
}

// isClosing reports whether err is how a service says that it was told to
// close. The texts are those of http.ErrServerClosed and grpc.ErrServerStopped.
func isClosing(err error) bool {
	for e := err; e != nil; e = errors.Unwrap(e) {
		switch e.Error() {
		case "http: Server closed", "grpc: the server has been stopped":
			return true
		}
	}
	return errors.Is(err, net.ErrClosed)
}

// closer returns the service's Close, nil if it has none.
func (s *subject) closer() io.Closer {
	c, _ := s.service.(io.Closer)
	return c
}

// end leaves nothing behind but what the service does not let go of.
func (s *subject) end() {
	for _, c := range s.clients {
		c.Close()
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if !s.drained {
		s.shutdown(ctx)
	}
	s.gate.Close()
	s.gate.cut()
	if c := s.closer(); c != nil {
		c.Close()
	}
}
