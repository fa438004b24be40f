// Command server is what the tests run under a real systemd: it answers each
// line with its PID. With the argument "reload" it asks the running server for a
// restart, and fails if that fails.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"example.com/restart"
	"example.com/restart/tcp"
)

const (
	address = "127.0.0.1:8080"
	control = "/run/server.sock"
)

func main() {
	run := serve
	if len(os.Args) == 2 && os.Args[1] == "reload" {
		run = reload
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve() error {
	r, err := restart.New(restart.Options{})
	if err != nil {
		return err
	}
	if words, err := os.ReadFile("/run/server.broken"); err == nil {
		return errors.New(string(words))
	}
	echo := &tcp.Server{Handler: tcp.HandlerFunc(lines)}
	if _, err := r.Add("web", "tcp", address, echo); err != nil {
		return err
	}
	asked := &tcp.Server{Handler: tcp.HandlerFunc(func(ctx context.Context, c net.Conn) {
		fmt.Fprintln(c, r.Restart(context.Background()))
	})}
	if _, err := r.Add("control", "unix", control, asked); err != nil {
		return err
	}
	return r.Run(context.Background())
}

func lines(ctx context.Context, c net.Conn) {
	in := bufio.NewScanner(c)
	for in.Scan() {
		fmt.Fprintln(c, os.Getpid())
	}
}

var _ = strings.TrimSpace
var _ = signal.Notify
var _ = syscall.SIGTERM
var _ = time.Second

func reload() error {
	c, err := net.Dial("unix", control)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err
	}
	if answer != "<nil>\n" {
		return errors.New(strings.TrimSpace(answer))
	}
	return nil
}
