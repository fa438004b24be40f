package servicetest

import (
	"errors"
	"net"
	"testing"

	"example.com/restart"
)

// An error that Serve returns after Shutdown or Close is no fault.
func TestErrorOfServeAtTheEnd(t *testing.T) {
	Run(t, func() restart.Service {
		b := &bad{Server: newEcho()}
		b.serve = func(l net.Listener) error { b.Server.Serve(l); return errBroken }
		return b
	}, probe)
}

// A Serve that returns before Shutdown is a fault.
func TestServeEndsEarly(t *testing.T) {
	s, err := newSubject(func() restart.Service {
		b := &bad{Server: newEcho()}
		b.serve = func(l net.Listener) error { l.Accept(); return errBroken }
		return b
	}, probe, short)
	if err != nil {
		t.Fatal(err)
	}
	defer s.end()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.dial(); err != nil {
		t.Fatal(err)
	}
	<-s.serve.returned
	if err := s.finish(s.shutdown(t.Context())); !errors.Is(err, errBroken) {
		t.Errorf("got %v, want the error of Serve", err)
	}
}
