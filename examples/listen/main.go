// Command listen restarts a server that has a life cycle of its own, such as a
// message broker. The program takes the listener from a Restarter and starts the
// server itself.
package main

import (
	"context"
	"flag"
	"log"

	"example.com/restart"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()
	if err := run(*addr); err != nil {
		log.Fatal(err)
	}
}

func run(addr string) error {
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	ln, err := r.Listen("echo", "tcp", addr) // instead of net.Listen
	if err != nil {
		return err
	}
	s := newServer()
	s.Start(ln)
	go func() {
		<-r.Draining()
		s.Finish() // must not close ln: Accept fails when nobody waits there
	}()
	return r.Run(context.Background()) // returns when all connections are closed
}
