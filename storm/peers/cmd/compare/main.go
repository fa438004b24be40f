// Command compare is "storm compare" with built-in servers: other libraries that restart, and proxies that reload.
//
//	go run ./storm/peers/cmd/compare -server ours='./server -addr {addr}' -plot all.png
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.com/restart/storm/internal/cli"
)

func main() {
	os.Exit(run())
}

func run() int {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	p, err := newPlace()
	if err != nil {
		fmt.Fprintln(os.Stderr, "compare:", err)
		return 2
	}
	defer p.remove()
	return cli.Compare(ctx, "compare", peers(p), os.Args[1:], os.Stdout, os.Stderr)
}
