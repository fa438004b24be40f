// Command grpc is a gRPC server with health checks. When it is replaced, it
// tells its clients to connect anew; they lose no call.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"

	"example.com/restart"
	"example.com/restart/examples/internal/greeter"
	"example.com/restart/grpcadapter"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	call := flag.String("call", "", "call the server with a `word` instead of being one")
	flag.Parse()
	run := serve
	if *call != "" {
		run = func(addr string) error { return hello(addr, *call) }
	}
	if err := run(*addr); err != nil {
		log.Fatal(err)
	}
}

func serve(addr string) error {
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	s, a := grpcadapter.NewServer() // instead of grpc.NewServer
	h := health.NewServer()
	a.Health = h // reports NOT_SERVING when no successor serves
	greeter.Register(s, &greeter.Greeter{Name: fmt.Sprintf("version=%s pid=%d", version, os.Getpid())})
	healthpb.RegisterHealthServer(s, h)
	if _, err := r.Add("grpc", "tcp", addr, a); err != nil {
		return err
	}
	return r.Run(context.Background())
}

func hello(addr, word string) error {
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(greeter.Retries))
	if err != nil {
		return err
	}
	defer cc.Close()
	answer, err := greeter.Hello(context.Background(), cc, word)
	if err == nil {
		fmt.Println(answer)
	}
	return err
}
