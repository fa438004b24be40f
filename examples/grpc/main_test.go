//go:build linux

package main

import (
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"example.com/restart/examples/internal/exampletest"
	"example.com/restart/examples/internal/greeter"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// One client, one stream: calls go on, the stream is ended with UNAVAILABLE and
// opened anew, and the health is taken back at the end only.
func TestStreamsAndHealth(t *testing.T) {
	p := exampletest.Start(t, exampletest.Build(t, "1"), "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	cc, err := grpc.NewClient(g.Addr["grpc"], grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(greeter.Retries))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	open := func() func(string) (string, error) {
		t.Helper()
		say, err := greeter.Chat(t.Context(), cc)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := say("hi"); err != nil || !strings.HasPrefix(got, "hi from ") {
			t.Fatalf("got %q, %v", got, err)
		}
		return say
	}
	health := healthpb.NewHealthClient(cc)
	for i := range 5 {
		say := open()
		if h, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{}); err != nil || h.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("health: got %v, %v, want SERVING", h, err)
		}
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
		// The stream may answer once more before it ends.
		exampletest.Until(t, "the stream ends", func() bool {
			_, err = say("still there?")
			return err != nil
		})
		if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "draining" {
			t.Errorf("the stream ended with %v, want UNAVAILABLE: draining", err)
		}
		if got, err := greeter.Hello(t.Context(), cc, "hi"); err != nil || !strings.HasPrefix(got, "hi from ") {
			t.Errorf("after restart %d: got %q, %v", i+1, got, err)
		}
	}
	p.Exit()
	watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if h, err := watch.Recv(); err != nil || h.Status != healthpb.HealthCheckResponse_SERVING {
		t.Errorf("health: got %v, %v, want SERVING", h, err)
	}
	p.Signal(g.PID, syscall.SIGTERM)
	if h, err := watch.Recv(); err != nil || h.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health at the end: got %v, %v, want NOT_SERVING", h, err)
	}
	cc.Close()
	p.Gone(g.PID)
}
