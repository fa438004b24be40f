package grpcadapter

import (
	"context"

	"google.golang.org/grpc"
)

// NewServer makes a server with opts and returns it with an Adapter around it.
// Handlers learn of a drain by [restart.Draining] of their context. So do interceptors
// that opts adds by grpc.ChainUnaryInterceptor and grpc.ChainStreamInterceptor. Those
// added by grpc.UnaryInterceptor or grpc.StreamInterceptor do not, because gRPC calls
// them before all others.
func NewServer(opts ...grpc.ServerOption) (*grpc.Server, *Adapter) {
	a := New(nil)
	chain := []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(a.interceptUnary),
		grpc.ChainStreamInterceptor(a.interceptStream),
	}
	srv := grpc.NewServer(append(chain, opts...)...)
	a.server = srv
	return srv, a
}

func (a *Adapter) interceptUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	return handle(a.Context(ctx), request)
}

func (a *Adapter) interceptStream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
	return handle(srv, &contextStream{stream, a.Context(stream.Context())})
}

// A contextStream is a stream with another context.
type contextStream struct {
	grpc.ServerStream
	ctx context.Context
}

func (s *contextStream) Context() context.Context { return s.ctx }
