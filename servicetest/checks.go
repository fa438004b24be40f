package servicetest

import (
	"context"
	"errors"
	"fmt"
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
	for _, c := range s.clients {
		c.Close()
	}
	return s.finish(s.shutdown(context.Background()))
}

func shutdownBeforeServe(s *subject) error {
	if err := awaitError(s, "Shutdown returns", s.shutdown(context.Background())); err != nil {
		return err
	}
	s.startSoon()
	return awaitError(s, "Serve returns after Shutdown, though Accept would block", s.served)
}

func shutdownWhileServeBegins(s *subject) error {
	done := s.shutdown(context.Background())
	s.startSoon()
	return s.finish(done)
}

// shutdownStopped is how a drain finds most services: blocked in an Accept that
// brings nothing any more.
func shutdownStopped(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	return s.finish(s.shutdown(context.Background()))
}

// shutdownFinishes begins to drain when the service has read what a client
// wants, but the client has not seen an answer.
func shutdownFinishes(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	c, err := s.dial()
	if err != nil {
		return err
	}
	held := s.hold(c, holdRead)
	probed := make(chan error, 1)
	go func() { probed <- s.probe(held) }()
	select {
	case err := <-probed:
		return fmt.Errorf("the probe ended before it read an answer: %v", err)
	case <-held.reached:
	}
	if err := s.readAll(held.written()); err != nil {
		return err
	}
	done := s.shutdown(context.Background())
	held.release()
	if err := <-probed; err != nil {
		return fmt.Errorf("what the service had read before Shutdown was not answered: %w", err)
	}
	c.Close()
	return s.finish(done)
}

// readAll waits until the service has read n bytes.
func (s *subject) readAll(n int64) error {
	for {
		got, more := s.gate.bytesRead()
		if got >= n {
			return nil
		}
		if _, err := await(s, "the service reads what the client has written", more); err != nil {
			return err
		}
	}
}

// shutdownContext drains while a client is in the middle of a word and will
// never finish it.
func shutdownContext(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	if err := s.stick(); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := s.shutdown(ctx)
	cancel()
	failure, err := await(s, "Shutdown returns when its context has ended", done)
	if err != nil {
		return err
	}
	if failure != nil && !isClosing(failure) && !errors.Is(failure, context.Canceled) {
		return fmt.Errorf("after the end of its context Shutdown returned %w, want nil or the context's error", failure)
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
	held := s.hold(c, holdWrite)
	go s.probe(held)
	if _, err := await(s, "the probe writes", held.reached); err != nil {
		return err
	}
	return s.readAll(held.written())
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
	done := s.shutdown(ctx)
	cancel()
	for range 2 { // it may be called after Shutdown did as much
		closed := make(chan error, 1)
		go func() { closed <- c.Close() }()
		if err := awaitError(s, "Close returns", closed); err != nil {
			return err
		}
	}
	if _, err := await(s, "Shutdown returns when its context has ended", done); err != nil {
		return err
	}
	s.gate.cut() // Restarter closes what Close has left
	return s.serveEnds()
}

func closeBeforeServe(s *subject) error {
	c := s.closer()
	if c == nil {
		return nil
	}
	if err := c.Close(); err != nil && !isClosing(err) {
		return fmt.Errorf("before Serve, Close: %w", err)
	}
	s.startSoon()
	return awaitError(s, "Serve returns after Close, though Accept would block", s.served)
}
