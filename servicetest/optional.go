package servicetest

import (
	"context"
	"fmt"
	"net"

	"example.com/restart"
)

// states gives a successor what a service that serves leaves to it.
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
	heir, err := newSubject(s.make, s.probe, s.patience)
	if err != nil {
		return err
	}
	defer heir.end()
	if err := heir.service.(restart.Stateful).Restore(b); err != nil {
		return fmt.Errorf("service.Restore: %w", err)
	}
	if err := heir.start(); err != nil {
		return err
	}
	if err := heir.exchange(); err != nil {
		return fmt.Errorf("after Restore: %w", err)
	}
	return heir.finish(heir.shutdown(context.Background()))
}

// adopts hands a new connection to Adopt. A service may want state with it and
// refuse, but then it must leave the connection alone.
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
		return fmt.Errorf("an adopted connection: %w", err)
	}
	client.Close()
	return s.finish(s.shutdown(context.Background()))
}

// adoptsLate calls Adopt in a drain and when it is over. Nobody says that the
// service must take the connection then, but it must return.
func adoptsLate(s *subject) error {
	a, ok := s.service.(restart.Adopter)
	if !ok {
		return nil
	}
	if err := s.start(); err != nil {
		return err
	}
	done := s.shutdown(context.Background())
	client, _, err := s.adopt(a)
	if err != nil {
		return err
	}
	client.Close() // nobody serves it for ever
	if err := s.finish(done); err != nil {
		return err
	}
	_, _, err = s.adopt(a)
	return err
}

// adopt calls Adopt with a new connection. It returns the client's end, and
// whether the service took the other one.
func (s *subject) adopt(a restart.Adopter) (client net.Conn, adopted bool, err error) {
	client, server, err := s.pair()
	if err != nil {
		return nil, false, err
	}
	done := make(chan error, 1)
	go func() { done <- a.Adopt(server, nil) }()
	refused, err := await(s, "Adopt returns: it must not block", done)
	if err != nil || refused == nil {
		return client, err == nil, err
	}
	// It must still be open.
	defer server.Close()
	_, err = server.Write([]byte{'x'})
	if err == nil {
		_, err = client.Read(make([]byte, 1))
	}
	if err != nil {
		err = fmt.Errorf("a connection that Adopt refused (%w) was not left as it was: %w", refused, err)
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
