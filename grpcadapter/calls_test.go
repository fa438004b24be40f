package grpcadapter_test

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"
)

// Calls of the four kinds, one after another in each goroutine.

func unary(ctx context.Context, c pb.TestServiceClient) error {
	r, err := c.UnaryCall(ctx, &pb.SimpleRequest{Payload: &pb.Payload{Body: []byte("hello")}})
	if err == nil && string(r.Payload.Body) != "hello" {
		err = fmt.Errorf("got %q", r.Payload.Body)
	}
	return err
}

func serverStream(ctx context.Context, c pb.TestServiceClient) error {
	r := &pb.StreamingOutputCallRequest{}
	for i := range int32(5) {
		r.ResponseParameters = append(r.ResponseParameters, &pb.ResponseParameters{Size: i})
	}
	stream, err := c.StreamingOutputCall(ctx, r)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		switch r, err := stream.Recv(); {
		case err == io.EOF && n == 5:
			return nil
		case err != nil:
			return fmt.Errorf("after %d responses: %w", n, err)
		case len(r.Payload.Body) != n:
			return fmt.Errorf("response %d has %d bytes", n, len(r.Payload.Body))
		}
	}
}

func clientStream(ctx context.Context, c pb.TestServiceClient) error {
	stream, err := c.StreamingInputCall(ctx)
	if err != nil {
		return err
	}
	for range 5 {
		if err := stream.Send(&pb.StreamingInputCallRequest{Payload: &pb.Payload{Body: make([]byte, 7)}}); err != nil {
			break // CloseAndRecv says why
		}
	}
	r, err := stream.CloseAndRecv()
	if err == nil && r.AggregatedPayloadSize != 35 {
		err = fmt.Errorf("got %d bytes", r.AggregatedPayloadSize)
	}
	return err
}

func bidirectional(ctx context.Context, c pb.TestServiceClient) error {
	stream, err := c.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for i := range 5 {
		// Send's io.EOF is explained by Recv.
		if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{Body: make([]byte, i)}}); err != nil && err != io.EOF {
			return err
		}
		if r, err := stream.Recv(); err != nil || len(r.Payload.Body) != i {
			return fmt.Errorf("message %d: got %v, %w", i, r, err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("at the end: %w", err)
	}
	return nil
}

// longBegun counts the long streams that a server has answered.
var longBegun atomic.Int64

// long is a stream that lasts until the server ends it, as it says, because it
// drains.
func long(ctx context.Context, c pb.TestServiceClient) error {
	stream, err := c.HalfDuplexCall(ctx)
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.StreamingOutputCallRequest{Payload: &pb.Payload{}}); err != nil && err != io.EOF {
		return err
	}
	if _, err := stream.Recv(); err != nil {
		return err
	}
	longBegun.Add(1)
	_, err = stream.Recv()
	if s := status.Convert(err); s.Code() != codes.Unavailable || s.Message() != "draining" {
		return fmt.Errorf("a long stream ended with %w, want it to say that the server drains", err)
	}
	return nil
}
