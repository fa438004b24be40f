package restart_test

import (
	"context"
	"testing"

	"example.com/restart"
)

func TestDrainingOfOtherContexts(t *testing.T) {
	if c := restart.Draining(t.Context()); c != nil {
		t.Errorf("got %v, want nil", c)
	}
}

func TestDrainingOfDerivedContexts(t *testing.T) {
	draining := make(chan struct{})
	ctx := restart.WithDraining(t.Context(), func() <-chan struct{} { return draining })
	derived, cancel := context.WithCancel(ctx)
	if got := restart.Draining(derived); got != draining {
		t.Errorf("got %v, want the channel that was given", got)
	}
	cancel()
	select {
	case <-restart.Draining(derived):
		t.Error("the end of the context closes the channel")
	default:
	}
	close(draining)
	<-restart.Draining(ctx)
}

// A service inside another one, as a gRPC server behind an HTTP server, tells
// its handlers itself.
func TestDrainingOfInnermostService(t *testing.T) {
	outer, inner := make(chan struct{}), make(chan struct{})
	ctx := restart.WithDraining(t.Context(), func() <-chan struct{} { return outer })
	ctx = restart.WithDraining(ctx, func() <-chan struct{} { return inner })
	if got := restart.Draining(ctx); got != inner {
		t.Errorf("got %v, want the channel of the inner service", got)
	}
}
