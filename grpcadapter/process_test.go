//go:build linux

package grpcadapter_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"example.com/restart"
	"example.com/restart/grpcadapter"
	"example.com/restart/internal/proctest"
)

var restarts = flag.Int("restarts", 20, "restarts of TestNoCallIsLost")

func TestMain(m *testing.M) {
	os.Exit(proctest.Main(m, map[string]func(){"server": server}))
}

// server is the program under test.
func server() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	o := restart.Options{Logger: proctest.Logger()}
	if d, err := time.ParseDuration(os.Getenv("HAMMER")); err == nil {
		o.HammerTime = d
	}
	if d, err := time.ParseDuration(os.Getenv("LAMEDUCK")); err == nil {
		o.LameDuck = d
	}
	r, err := restart.New(o)
	if err != nil {
		return err
	}
	srv, a := grpcadapter.NewServer()
	h := health.NewServer()
	a.Health = h
	pb.RegisterTestServiceServer(srv, &service{})
	healthpb.RegisterHealthServer(srv, h)
	if _, err := r.Add("grpc", "tcp", "127.0.0.1:0", a); err != nil {
		return err
	}
	return r.Run(context.Background())
}

// start starts the program.
func start(t *testing.T, settings ...string) (*proctest.Family, proctest.Generation) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), settings...)
	p := proctest.Start(t, "server", cmd)
	return p, p.Serving(1, 1)
}

// stop ends it.
func stop(p *proctest.Family, g proctest.Generation) {
	p.Signal(g.PID, syscall.SIGTERM)
	p.WaitEnd()
}

// retries are the standard rules: a call that fails with UNAVAILABLE is repeated
// if no response has arrived.
const retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 5, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 2,
	"retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func client(t *testing.T, addr string) *grpc.ClientConn {
	t.Helper()
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(retries))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cc.Close() })
	return cc
}

// A load calls in a loop.
type load struct {
	name  string
	call  func(context.Context, pb.TestServiceClient) error
	calls atomic.Int64
	lost  atomic.Int64
}

func (l *load) run(t *testing.T, done <-chan struct{}, c pb.TestServiceClient) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		select {
		case <-done:
			return
		default:
		}
		err := l.call(ctx, c)
		l.calls.Add(1)
		if err == nil {
			continue
		}
		if n := l.lost.Add(1); n < 5 {
			t.Errorf("%s: %v", l.name, err)
		}
	}
}

// Calls of all kinds go on over many restarts; none is lost.
func TestNoCallIsLost(t *testing.T) {
	p, g := start(t)
	addr := g.Addr["grpc"]

	loads := []*load{
		{name: "unary", call: unary},
		{name: "server stream", call: serverStream},
		{name: "client stream", call: clientStream},
		{name: "bidirectional", call: bidirectional},
		{name: "long stream", call: long},
	}
	done := make(chan struct{})
	var short, lasting sync.WaitGroup
	for _, l := range loads {
		running := &short
		if l.name == "long stream" {
			running = &lasting // only a drain ends them
		}
		for range 4 {
			cc := client(t, addr)
			running.Go(func() { l.run(t, done, pb.NewTestServiceClient(cc)) })
		}
	}
	// Each kind of call goes on before each restart. The long streams begin
	// anew by it.
	progress := func(since []int64) {
		bound := time.Now().Add(proctest.Patience)
		for i, l := range loads {
			for l.calls.Load() < since[i]+4 {
				if time.Now().After(bound) {
					t.Errorf("%s: no progress since %d calls", l.name, since[i])
					return
				}
				<-time.After(time.Millisecond)
			}
		}
	}
	before := longBegun.Load()
	for i := range *restarts {
		// A long stream that begins after the drain would outlast the test: the
		// next restart waits for its end.
		bound := time.Now().Add(proctest.Patience)
		for longBegun.Load() < before+4*int64(i+1) {
			if time.Now().After(bound) {
				t.Fatalf("%d long streams have begun, want %d", longBegun.Load()-before, 4*(i+1))
			}
			<-time.After(time.Millisecond)
		}
		since := make([]int64, len(loads))
		for i, l := range loads {
			since[i] = l.calls.Load()
		}
		next := p.Restart(g)
		progress(since)
		p.WaitExit(g.PID)
		g = next
	}
	close(done)
	short.Wait()
	p.Signal(g.PID, syscall.SIGTERM)
	lasting.Wait()
	p.WaitEnd()
	for _, l := range loads {
		t.Logf("%-14s %6d calls, %d lost", l.name+":", l.calls.Load(), l.lost.Load())
	}
	if n := p.Count("restart: drained", "cut=0"); n != *restarts+1 {
		t.Errorf("%d of %d drains ended without a cut", n, *restarts+1)
	}
}

// A stream whose handler ignores everything ends by the deadline, and with it
// the process.
func TestDeafStreamEndsByTheDeadline(t *testing.T) {
	p, g := start(t, "HAMMER=200ms")
	c := pb.NewTestServiceClient(client(t, g.Addr["grpc"]))
	stream, err := c.HalfDuplexCall(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: []byte("deaf")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	next := p.Restart(g)
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("got %v, want UNAVAILABLE", err)
	}
	p.WaitExit(g.PID)
	p.Wait(1, "connections closed by force", "cut=1")
	if err := unary(t.Context(), c); err != nil {
		t.Errorf("the successor: %v", err)
	}
	stop(p, next)
}

// A restart does not touch the health; a final drain takes it back.
func TestHealthInProcesses(t *testing.T) {
	p, g := start(t, "HAMMER=200ms")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	watch := func() healthpb.Health_WatchClient {
		w, err := healthpb.NewHealthClient(client(t, g.Addr["grpc"])).Watch(ctx, &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if r, err := w.Recv(); err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
			t.Fatalf("at first: got %v, %v, want SERVING", r, err)
		}
		return w
	}
	w := watch()
	next := p.Restart(g)
	// The stream holds the old process's drain up, to the end.
	if r, err := w.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("over a restart: got %v, %v, want nothing but the end of the stream", r, err)
	}
	p.WaitExit(g.PID)

	g = next
	w = watch()
	p.Signal(g.PID, syscall.SIGTERM)
	if r, err := w.Recv(); err != nil || r.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("in the final drain: got %v, %v, want NOT_SERVING", r, err)
	}
	cancel()
	p.WaitEnd()
}

// The health is taken back at the beginning of the lame-duck time, and calls go
// on over old and new connections.
func TestHealthOfALameDuckInProcesses(t *testing.T) {
	p, g := start(t, "LAMEDUCK=1h")
	g = p.Restart(g) // which is no stop
	addr := g.Addr["grpc"]
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cc := client(t, addr)
	w, err := healthpb.NewHealthClient(cc).Watch(ctx, &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if r, err := w.Recv(); err != nil || r.Status != healthpb.HealthCheckResponse_SERVING {
		t.Fatalf("at first: got %v, %v, want SERVING", r, err)
	}
	p.Signal(g.PID, syscall.SIGTERM)
	if r, err := w.Recv(); err != nil || r.Status != healthpb.HealthCheckResponse_NOT_SERVING {
		t.Errorf("lame duck: got %v, %v, want NOT_SERVING", r, err)
	}
	for name, cc := range map[string]*grpc.ClientConn{"old": cc, "new": client(t, addr)} {
		if err := unary(t.Context(), pb.NewTestServiceClient(cc)); err != nil {
			t.Errorf("lame duck, %s connection: %v", name, err)
		}
	}
	cancel()
	p.Signal(g.PID, syscall.SIGINT)
	p.WaitEnd()
}
