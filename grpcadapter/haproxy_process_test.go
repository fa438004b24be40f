//go:build linux

package grpcadapter_test

import (
	"context"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/stats"

	"example.com/restart/internal/proctest"
)

// Behind a proxy that tries nothing twice, clients that try nothing twice lose no
// call. The proxy has the calls of all clients on a few connections.
func TestHAProxyLosesNoCall(t *testing.T) {
	program := proctest.Program(t, "haproxy", "haproxy")
	p, g := start(t)
	socket := proctest.StartHAProxy(t, program, "proto h2", g.Addr["grpc"]+" proto h2")

	var again secondAttempts
	loads := []*load{
		{name: "unary", call: unary},
		{name: "server stream", call: serverStream},
		{name: "client stream", call: clientStream},
		{name: "bidirectional", call: bidirectional},
	}
	done := make(chan struct{})
	var running sync.WaitGroup
	for _, l := range loads {
		for range 5 {
			cc, err := grpc.NewClient("unix:"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()),
				grpc.WithDisableRetry(), grpc.WithStatsHandler(&again))
			if err != nil {
				t.Fatal(err)
			}
			defer cc.Close()
			for range 5 {
				running.Go(func() { l.run(t, done, pb.NewTestServiceClient(cc)) })
			}
		}
	}
	more := func() {
		t.Helper()
		bound := time.Now().Add(proctest.Patience)
		for _, l := range loads {
			for n := l.calls.Load() + 100; l.calls.Load() < n; <-time.After(time.Millisecond) {
				if l.lost.Load() > 0 || time.Now().After(bound) {
					t.Errorf("%s: no calls are answered", l.name)
					return
				}
			}
		}
	}
	for range proctest.RestartsBehindProxies(t) {
		more()
		next := p.Restart(g)
		p.WaitExit(g.PID)
		g = next
	}
	more()
	close(done)
	running.Wait()
	for _, l := range loads {
		t.Logf("%-14s %6d calls, %d lost", l.name+":", l.calls.Load(), l.lost.Load())
	}
	if n := again.n.Load(); n > 0 {
		t.Errorf("%d calls were sent again", n)
	}
	stop(p, g)
}

// secondAttempts counts calls that gRPC sends again because the server has not seen
// them. It does so even without retries.
type secondAttempts struct{ n atomic.Int64 }

func (s *secondAttempts) HandleRPC(_ context.Context, r stats.RPCStats) {
	if b, ok := r.(*stats.Begin); ok && b.IsTransparentRetryAttempt {
		s.n.Add(1)
	}
}

func (*secondAttempts) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (*secondAttempts) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*secondAttempts) HandleConn(context.Context, stats.ConnStats)                       {}
