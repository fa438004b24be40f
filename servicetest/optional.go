package servicetest

import (
	"context"
	"fmt"
	"net"

	"example.com/restart"
)

// states restores the state of a service that serves in a successor.
func states(s *subject) error {
	st, ok := s.service.(restart.Stateful)
	if !ok {
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	if err := s.exchange(); err != nil {
		return err
	}
	b, err := st.State()
	if err != nil {
		return fmt.Errorf("service.State: %w", err)
	}
	if err := s.exchange(); err != nil {
		return fmt.Errorf("after State: %w", err)
	}
	successor, err := newSubject(s.make, s.probe, s.limits)
	if err != nil {
		return err
	}
	defer successor.end()
	if err := successor.service.(restart.Stateful).Restore(b); err != nil {
		return fmt.Errorf("service.Restore: %w", err)
	}
	if err := successor.start(); err != nil {
		return err
	}
	if err := successor.exchange(); err != nil {
		return fmt.Errorf("after Restore: %w", err)
	}
	successor.hangUp()
	return successor.finish(successor.shutdown(context.Background()))
}

// adopts gives a new connection to Adopt. A service may refuse it, for want of
// state, but then it must leave the connection alone.
func adopts(s *subject) error {
	a, ok := s.service.(restart.Adopter)
	if !ok {
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	client, adopted, err := s.adopt(a)
	if err != nil || !adopted {
		return err
	}
	if err := s.check(client); err != nil {
		return fmt.Errorf("on an adopted connection, %w", err)
	}
	client.Close()
	return s.finish(s.shutdown(context.Background()))
}

// adoptsLate calls Adopt during a drain and after it. The service need not take
// the connection then, but Adopt must return.
func adoptsLate(s *subject) error {
	a, ok := s.service.(restart.Adopter)
	if !ok {
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	shutdown := s.shutdown(context.Background())
	client, _, err := s.adopt(a)
	if err != nil {
		return err
	}
	client.Close() // else Shutdown would wait for it
	if err := s.finish(shutdown); err != nil {
		return err
	}
	_, _, err = s.adopt(a)
	return err
}

// adopt calls Adopt with a new connection. It returns the client's end and
// whether the service has taken the other one.
func (s *subject) adopt(a restart.Adopter) (client net.Conn, adopted bool, err error) {
	client, server, err := s.pair()
	if err != nil {
		return nil, false, err
	}
	adopt := begin(func() error { return a.Adopt(server, nil) })
	if err := await(s, "Adopt has not returned, but it must not block", adopt.returned); err != nil {
		return client, false, err
	}
	refused := adopt.err
	if refused == nil {
		return client, true, nil
	}
	defer server.Close()
	_, err = server.Write([]byte{'x'})
	if err == nil {
		_, err = client.Read(make([]byte, 1))
	}
	if err != nil {
		err = fmt.Errorf("a connection that Adopt refused (%w) is not open any more: %w", refused, err)
	}
	return client, false, err
}

// pair returns the two ends of a connection that the service does not know.
func (s *subject) pair() (client, server net.Conn, err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, nil, err
	}
	defer l.Close()
	client, err = s.connect(l.Addr())
	if err != nil {
		return nil, nil, err
	}
	server, err = l.Accept()
	if err != nil {
		return nil, nil, err
	}
	return client, s.gate.add(server), nil
}
