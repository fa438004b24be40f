// Command controlled is a server with a control socket, for the tests of
// restartctl under a real systemd. It answers each connection with its PID.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"example.com/restart"
	"example.com/restart/control"
	"example.com/restart/tcp"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	if words, err := os.ReadFile("/run/controlled.broken"); err == nil {
		return errors.New(string(words))
	}
	answer := tcp.New(func(_ context.Context, c net.Conn) { fmt.Fprintln(c, os.Getpid()) })
	if _, err := r.Add("web", "tcp", "127.0.0.1:8080", answer); err != nil {
		return err
	}
	if _, err := control.Add(r, "/run/controlled.sock"); err != nil {
		return err
	}
	return r.Run(context.Background())
}
