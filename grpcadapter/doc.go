// Package grpcadapter makes a [restart.Service] of a gRPC server.
//
//	srv, a := grpcadapter.NewServer() // instead of grpc.NewServer
//	pb.RegisterChatServer(srv, &chat{})
//	r.Add("grpc", "tcp", ":50051", a)
//
// Connections do not move to the successor. When the process drains, clients get
// a GOAWAY frame (RFC 9113, section 6.8): they finish the calls that they have
// begun and connect anew, to the successor. A call that ends within the time of
// the drain does not fail.
//
// [Adapter.Health] is for health checks (grpc.health.v1): they fail as soon as the
// process is to stop, and never because it is replaced.
//
// Streams that may last for long should end when the process drains. The
// handler learns of it by [restart.Draining] and returns codes.Unavailable when
// the client can go on with another stream:
//
//	select {
//	case m := <-messages:
//		...
//	case <-restart.Draining(stream.Context()):
//		return status.Error(codes.Unavailable, "draining")
//	}
//
// Streams that have not ended when the drain has lasted for
// [restart.Options.HammerTime] are cut; their clients get UNAVAILABLE, too. A
// retryPolicy for UNAVAILABLE in the client's service config (gRFC A6) repeats
// such a call if no response has arrived.
package grpcadapter
