package servicetest

import (
	"context"
	"errors"
	"fmt"
	"time"
)

func answers(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	for range 3 {
		if err := s.exchange(); err != nil {
			return err
		}
	}
	return nil
}

func answersMany(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	const many = 16
	done := make(chan error, many)
	for range many {
		c, err := s.dial()
		if err != nil {
			return err
		}
		go func() { done <- s.check(c) }()
	}
	var errs []error
	for range many {
		errs = append(errs, <-done) // a client has a deadline
	}
	return errors.Join(errs...)
}

func shutdownIdle(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.exchange(); err != nil {
		return err
	}
	s.hangUp()
	return s.finish(s.shutdown(context.Background()))
}

func shutdownBeforeServe(s *subject) error {
	shutdown := s.shutdown(context.Background())
	select {
	case <-shutdown.returned:
	case <-time.After(s.stuck):
		return fmt.Errorf("call of Shutdown before Serve has not returned after %v. It must not wait for Serve then: call restart.ServeOnce.Stop in Shutdown", s.stuck)
	}
	if err := s.awaitCall("Shutdown", shutdown); err != nil {
		return err
	}
	return s.serveReturns("Shutdown", "Stop")
}

// serveReturns calls Serve of a service that was ended by method. Helper is the
// method of restart.ServeOnce that helps.
func (s *subject) serveReturns(method, helper string) error {
	s.startSoon()
	complaint := fmt.Sprintf("call of Serve after %s has not returned", method)
	select {
	case <-s.serve.returned:
		return nil
	case <-s.gate.reached:
	case <-time.After(s.patience):
		return fmt.Errorf("%s, after %v", complaint, s.patience)
	}
	select {
	case <-s.serve.returned:
		return nil
	case <-time.After(s.stuck):
		return fmt.Errorf("%s: it blocks in Accept. Call restart.ServeOnce.Begin in Serve and restart.ServeOnce.%s in %s", complaint, helper, method)
	}
}

func shutdownWhileServeBegins(s *subject) error {
	shutdown := s.shutdown(context.Background())
	s.startSoon()
	return s.finish(shutdown)
}

// shutdownStopped is how a drain finds most services: blocked in an Accept that
// no longer returns connections.
func shutdownStopped(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	return s.finish(s.shutdown(context.Background()))
}

// shutdownContext drains while a client has sent half a request and never sends
// the rest.
func shutdownContext(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.stick(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	shutdown := s.shutdown(ctx)
	cancel()
	if err := await(s, "the context of Shutdown has ended, but Shutdown has not returned", shutdown.returned); err != nil {
		return err
	}
	if err := shutdown.err; err != nil && !isClosing(err) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("after the end of its context Shutdown returned %w, want nil or the context's error", err)
	}
	s.gate.cut()
	return s.serveEnds()
}

// stick makes a connection on which the service waits for ever.
func (s *subject) stick() error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	client := s.hold(c, withinRequest)
	go s.probe(client)
	if err := await(s, "the probe writes nothing", client.reached); err != nil {
		return err
	}
	return s.readAll(client)
}

func closes(s *subject) error {
	c := s.closer()
	if c == nil {
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	if err := s.stick(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	shutdown := s.shutdown(ctx)
	cancel()
	for range 2 { // the second one finds the service closed
		if err := s.awaitCall("Close", begin(c.Close)); err != nil {
			return err
		}
	}
	if err := await(s, "the context of Shutdown has ended, but Shutdown has not returned", shutdown.returned); err != nil {
		return err
	}
	s.gate.cut() // as a Restarter closes what Close has left
	return s.serveEnds()
}

func closeBeforeServe(s *subject) error {
	c := s.closer()
	if c == nil {
		return nil
	}
	if err := s.awaitCall("Close before Serve", begin(c.Close)); err != nil {
		return err
	}
	s.gate.stop()
	return s.serveReturns("Close", "Close")
}
