// Package greeter is a small gRPC service. It is written by hand over a
// well-known message, so that the examples need no code generator.
package greeter

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/restart"
)

// A Greeter says who it is: once, or in a stream again for each message until
// the server drains.
type Greeter struct {
	Name string
}

type message = wrapperspb.StringValue

var desc = grpc.ServiceDesc{
	ServiceName: "example.Greeter",
	HandlerType: (*any)(nil),
	Methods:     []grpc.MethodDesc{{MethodName: "Hello", Handler: hello}},
	Streams:     []grpc.StreamDesc{{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true}},
}

// Register adds g to s.
func Register(s grpc.ServiceRegistrar, g *Greeter) { s.RegisterService(&desc, g) }

func (g *Greeter) answer(m *message) *message {
	return wrapperspb.String(m.GetValue() + " from " + g.Name)
}

func hello(srv any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	m := new(message)
	if err := decode(m); err != nil {
		return nil, err
	}
	return srv.(*Greeter).answer(m), nil
}

// chat ends with UNAVAILABLE when the server drains: the client can go on with
// another stream, to the successor.
func chat(srv any, stream grpc.ServerStream) error {
	g := srv.(*Greeter)
	done := make(chan error, 1)
	go func() { // ends with the stream's context
		for {
			m := new(message)
			err := stream.RecvMsg(m)
			if err == nil {
				err = stream.SendMsg(g.answer(m))
			}
			if err != nil {
				done <- err
				return
			}
		}
	}()
	select {
	case err := <-done:
		return err
	case <-restart.Draining(stream.Context()):
		return status.Error(codes.Unavailable, "draining")
	}
}

// Hello calls a Greeter once.
func Hello(ctx context.Context, cc *grpc.ClientConn, word string) (string, error) {
	m := new(message)
	err := cc.Invoke(ctx, "/example.Greeter/Hello", wrapperspb.String(word), m)
	return m.GetValue(), err
}

// Chat opens a stream. The function that it returns says a word and returns the
// answer.
func Chat(ctx context.Context, cc *grpc.ClientConn) (func(word string) (string, error), error) {
	stream, err := cc.NewStream(ctx, &desc.Streams[0], "/example.Greeter/Chat")
	if err != nil {
		return nil, err
	}
	return func(word string) (string, error) {
		// A send that fails is explained by the next receive.
		_ = stream.SendMsg(wrapperspb.String(word))
		m := new(message)
		err := stream.RecvMsg(m)
		return m.GetValue(), err
	}, nil
}

// Retries is a service config with the standard rules: a call that ends with
// UNAVAILABLE before its answer has begun is tried again.
const Retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 5, "initialBackoff": "0.05s", "maxBackoff": "1s", "backoffMultiplier": 2,
	"retryableStatusCodes": ["UNAVAILABLE"]}}]}`
