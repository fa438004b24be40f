package tcp

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"

	"example.com/restart"
)

// Handlers learn of the drain by restart.Draining, and Shutdown waits for them.
// Their context goes on.
func TestShutdownWaitsForHandlers(t *testing.T) {
	release := make(chan struct{})
	s := New(func(ctx context.Context, c net.Conn) {
		<-restart.Draining(ctx)
		if err := ctx.Err(); err != nil {
			t.Errorf("the context has ended with %v", err)
		}
		io.WriteString(c, "bye\n")
		<-release
	})
	_, dial, served := serve(t, s)
	c := dial()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	if got := line(t, c); got != "bye\n" {
		t.Errorf("got %q", got)
	}
	select {
	case <-done:
		t.Error("Shutdown returned while a handler ran")
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-served
}

// Shutdown stops waiting when its context ends. Close then ends the handlers'
// connections and contexts.
func TestCloseAfterTheDeadline(t *testing.T) {
	contexts, ended := make(chan context.Context), make(chan struct{})
	s := New(func(ctx context.Context, c net.Conn) {
		contexts <- ctx
		io.Copy(io.Discard, c) // ignores the drain
		<-ctx.Done()
		close(ended)
	})
	_, dial, served := serve(t, s)
	dial()
	handler := <-contexts
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	if err := handler.Err(); err != nil {
		t.Errorf("the handler's context ended before Close: %v", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	<-ended
	<-served
}

func TestShutdownBeforeServe(t *testing.T) {
	s := New(func(context.Context, net.Conn) {})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	l := newFakeListener()
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
	<-l.closed
}

// A Server that was not made by New is refused by Serve. What follows then must
// not crash the process.
func TestEndOfZeroServer(t *testing.T) {
	s := new(Server)
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
