package grpcadapter_test

import (
	"context"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/status"

	"example.com/restart"
)

// service is the gRPC service that the tests call.
type service struct {
	pb.UnimplementedTestServiceServer
}

var errDraining = status.Error(codes.Unavailable, "draining")

func (s *service) UnaryCall(_ context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	return &pb.SimpleResponse{Payload: r.GetPayload(), OauthScope: r.GetResponseStatus().GetMessage()}, nil
}

// StreamingOutputCall sends one response for each parameter.
func (s *service) StreamingOutputCall(r *pb.StreamingOutputCallRequest, stream grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	for _, p := range r.ResponseParameters {
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: make([]byte, p.Size)}}); err != nil {
			return err
		}
	}
	return nil
}

// StreamingInputCall returns the sum of the sizes.
func (s *service) StreamingInputCall(stream grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	sum := 0
	for {
		r, err := stream.Recv()
		if err == io.EOF {
			return stream.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(sum)})
		}
		if err != nil {
			return err
		}
		sum += len(r.Payload.Body)
	}
}

// FullDuplexCall echoes until the client closes its side.
func (s *service) FullDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		r, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: r.Payload}); err != nil {
			return err
		}
	}
}

// HalfDuplexCall is the long stream: it lasts until the drain. A stream whose
// first message is "deaf" ignores the drain.
func (s *service) HalfDuplexCall(stream grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	r, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := stream.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{}}); err != nil {
		return err
	}
	if string(r.Payload.Body) == "deaf" {
		select {} // not even the end of its context
	}
	select {
	case <-restart.Draining(stream.Context()):
		return errDraining
	case <-stream.Context().Done():
		return stream.Context().Err()
	}
}
