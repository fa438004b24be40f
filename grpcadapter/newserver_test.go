package grpcadapter_test

import (
	"context"
	"net"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	pb "google.golang.org/grpc/interop/grpc_testing"

	"example.com/restart"
	"example.com/restart/grpcadapter"
)

// A patient service is in every call until the drain.
type patient struct {
	pb.UnimplementedTestServiceServer
	begun chan struct{}
}

func (p *patient) wait(ctx context.Context) error {
	p.begun <- struct{}{}
	select {
	case <-restart.Draining(ctx):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *patient) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: r.GetPayload()}, p.wait(ctx)
}

func (p *patient) StreamingInputCall(stream grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	if err := p.wait(stream.Context()); err != nil {
		return err
	}
	return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: 35})
}

// drained calls a patient service of srv, drains, and checks that the calls end
// well.
func drained(t *testing.T, srv *grpc.Server, a *grpcadapter.Adapter) {
	t.Helper()
	p := &patient{begun: make(chan struct{})}
	pb.RegisterTestServiceServer(srv, p)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- a.Serve(l) }()
	defer func() { <-served }()
	defer a.Close()

	cc, err := grpc.NewClient(l.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer cc.Close()
	calls := map[string]chan error{"unary": make(chan error, 1), "stream": make(chan error, 1)}
	go func() { calls["unary"] <- unary(t.Context(), pb.NewTestServiceClient(cc)) }()
	go func() { calls["stream"] <- clientStream(t.Context(), pb.NewTestServiceClient(cc)) }()
	for range calls {
		<-p.begun
	}
	if err := a.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	for name, ended := range calls {
		if err := <-ended; err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Handlers and chained interceptors of calls of both kinds learn of the drain.
func TestNewServer(t *testing.T) {
	seen := make(chan string, 2)
	note := func(kind string, ctx context.Context) {
		if restart.Draining(ctx) != nil {
			seen <- kind
		}
	}
	srv, a := grpcadapter.NewServer(
		grpc.ChainUnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			note("unary", ctx)
			return h(ctx, r)
		}),
		grpc.ChainStreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			note("stream", s.Context())
			return h(srv, s)
		}))
	drained(t, srv, a)
	if len(seen) != 2 {
		t.Errorf("%d of 2 interceptors learn of the drain", len(seen))
	}
}

// A program that makes its own server writes the interceptors itself.
func TestContext(t *testing.T) {
	var a *grpcadapter.Adapter
	srv := grpc.NewServer(
		grpc.UnaryInterceptor(func(ctx context.Context, r any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
			return h(a.Context(ctx), r)
		}),
		grpc.StreamInterceptor(func(srv any, s grpc.ServerStream, _ *grpc.StreamServerInfo, h grpc.StreamHandler) error {
			return h(srv, &ownStream{s, a.Context(s.Context())})
		}))
	a = grpcadapter.New(srv)
	drained(t, srv, a)
}

type ownStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *ownStream) Context() context.Context { return s.ctx }
