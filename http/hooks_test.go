package restarthttp

import (
	"context"
	"errors"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"example.com/restart"
)

func noHook(context.Context, os.Signal) error { return nil }

// A hook of a server that another Restarter serves would never run: that is an
// error, and not silence.
func TestHooksWithAnotherRestarter(t *testing.T) {
	for name, add := range map[string]func(*Server) error{
		"Before": func(s *Server) error { return s.Before(syscall.SIGHUP, noHook) },
		"After":  func(s *Server) error { return s.After(syscall.SIGHUP, noHook) },
	} {
		s := Wrap(new(http.Server))
		if err := add(s); err != nil {
			t.Fatal(err)
		}
		r, err := restart.New(restart.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Add("web", "tcp", "127.0.0.1:0", s); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := r.Run(ctx); !errors.Is(err, errNeverRun) {
			t.Errorf("%s: Run: got %v, want that the hook would never run", name, err)
		}
	}
}

// A hook that comes too late is an error too.
func TestLateHook(t *testing.T) {
	s := Wrap(new(http.Server))
	if _, err := s.hooks.start(); err != nil {
		t.Fatal(err)
	}
	if err := s.Before(syscall.SIGHUP, noHook); err == nil {
		t.Error("Before: got nil, want an error")
	}
	if err := s.After(syscall.SIGHUP, noHook); err == nil {
		t.Error("After: got nil, want an error")
	}
}
