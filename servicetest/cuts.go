package servicetest

import (
	"context"
	"fmt"
	"net"
	"time"
)

// shutdownFinishes begins to drain when the service has read a request and
// writes the answer.
func shutdownFinishes(s *subject) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	client := s.hold(c, beforeAnswer)
	s.gate.hold = &answerHold{client}
	if err := s.start(); err != nil {
		return err
	}
	return s.drainAround(client, "a request that the service had read before Shutdown was not answered")
}

// shutdownWhileArriving begins to drain when the service has read the first byte
// of a request.
func shutdownWhileArriving(s *subject) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	return s.drainAround(s.hold(c, withinRequest), "a request that the service had begun to read before Shutdown was not answered")
}

// shutdownBeforeRequest begins to drain when the service has accepted a
// connection and its first request is on the way.
func shutdownBeforeRequest(s *subject) error {
	c, err := s.dial()
	if err != nil {
		return err
	}
	if err := s.start(); err != nil {
		return err
	}
	return s.drainAround(s.hold(c, beforeRequest), "a request on a new connection, sent when Shutdown began, was not answered")
}

// shutdownBetweenRequests begins to drain when a connection is idle after an
// exchange and the next request is on the way.
func shutdownBetweenRequests(s *subject) error {
	if err := s.start(); err != nil {
		return err
	}
	c, err := s.dial()
	if err != nil {
		return err
	}
	if err := s.check(c); err != nil {
		return err
	}
	if !s.isKept(c) {
		return nil
	}
	return s.drainAround(s.hold(c, beforeRequest), "a request on an idle connection, sent when Shutdown began, was not answered")
}

// isKept reports whether the protocol and the probe allow several exchanges on a
// connection. If a second one hangs, as in protocols that begin with a greeting,
// isKept closes c.
func (s *subject) isKept(c net.Conn) bool {
	bound := time.AfterFunc(10*s.pause, func() { c.Close() })
	err := s.probe(c)
	return bound.Stop() && err == nil
}

// drainAround probes the service with a client that stops at its moment, drains
// meanwhile and lets the client go on when Shutdown has had time to do harm. If
// the probe fails, so does the check, with the complaint.
func (s *subject) drainAround(client *heldClient, complaint string) error {
	probe := begin(func() error { return s.probe(client) })
	select {
	case <-client.reached:
	case <-probe.returned:
		if probe.err != nil {
			return fmt.Errorf("before Shutdown, probe: %w", probe.err)
		}
		return nil // a protocol without requests
	}
	if err := s.readAll(client); err != nil {
		return err
	}
	if client.at == beforeRequest {
		s.awaitIdle()
	}
	before, _ := s.gate.tally()
	shutdown := s.shutdown(context.Background())
	select {
	case <-s.gate.cutOff:
	case <-time.After(s.pause):
	}
	after, _ := s.gate.tally()
	client.release()

	if err := await(s, "the probe has not returned", probe.returned); err != nil {
		return err
	}
	if probe.err != nil {
		goodbye := client.at != beforeAnswer && after.writes > before.writes
		if !goodbye {
			return s.lost(client.at, complaint, probe.err)
		}
	}
	client.Close()
	return s.finish(shutdown)
}

// awaitIdle waits until the service waits for a request: before, it may still be
// busy with the last one, and then it may end the connection for good reason.
func (s *subject) awaitIdle() {
	bound := time.NewTimer(10 * s.pause)
	defer bound.Stop()
	for {
		t, more := s.gate.tally()
		if t.reading > 0 {
			return
		}
		select {
		case <-more:
		case <-bound.C: // a service that does not wait in Read
			return
		}
	}
}

// readAll waits until the service has accepted the client's connection and read
// all that the client has written.
func (s *subject) readAll(client *heldClient) error {
	for {
		written, _ := client.bytes()
		t, more := s.gate.tally()
		if t.accepted > 0 && t.read >= written {
			return nil
		}
		if err := await(s, "the service does not read the client's request", more); err != nil {
			return err
		}
	}
}

// advice says what Shutdown should do instead of closing a connection.
var advice = [...]string{
	beforeRequest: "Keep connections without a request open for a while after Shutdown, or say goodbye before you close them",
	withinRequest: "Let requests that have begun to arrive finish after Shutdown",
	beforeAnswer:  "Let requests that are being answered finish after Shutdown",
}

// lost returns an error that says why a request was lost.
func (s *subject) lost(at moment, complaint string, err error) error {
	select {
	case <-s.gate.cutOff:
		return fmt.Errorf("%s, because the service closed the connection: %w. %s", complaint, err, advice[at])
	default:
		return fmt.Errorf("%s: %w", complaint, err)
	}
}
