// Command allprotocols serves HTTP, gRPC, TCP and UDP in one binary, with one
// restart for all. A configuration lists the listeners, and may change from one
// generation to the next. The program is a test bed: its test puts load on all
// four protocols. See examples/multi for a program to read first.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/restart"
	"example.com/restart/examples/internal/greeter"
	"example.com/restart/grpcadapter"
	restarthttp "example.com/restart/http"
	"example.com/restart/tcp"
)

var version = "1" // go build -ldflags "-X main.version=2"

func me() string { return fmt.Sprintf("version=%s pid=%d", version, os.Getpid()) }

func main() {
	path := flag.String("config", "listeners.json", "configuration `file`")
	flag.Parse()
	if err := run(*path); err != nil {
		log.Fatal(err)
	}
}

// A listener is one entry of the configuration.
type listener struct{ Name, Kind, Address string }

func run(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var listeners []listener
	if err := json.Unmarshal(b, &listeners); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	for _, l := range listeners {
		if err := add(r, l); err != nil {
			return err
		}
	}
	return r.Run(context.Background())
}

// add adds the service that belongs to l. Its name makes it the same listener
// in the next generation.
func add(r *restart.Restarter, l listener) error {
	var s restart.Service
	switch l.Kind {
	case "http":
		s = restarthttp.Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			fmt.Fprintln(w, "http from", me())
		})})
	case "grpc":
		srv, a := grpcadapter.NewServer()
		greeter.Register(srv, &greeter.Greeter{Name: me()})
		s = a
	case "tcp":
		s = tcp.NewSessions(echo)
	case "udp":
		_, err := r.AddPacket(l.Name, "udp", l.Address, newReflector())
		return err
	default:
		return fmt.Errorf("listener %q: no kind %q", l.Name, l.Kind)
	}
	_, err := r.Add(l.Name, "tcp", l.Address, s)
	return err
}
