// Command storm puts load on an HTTP server, restarts it again and again, and counts what the clients lose.
//
//	storm run -- ./server -addr {addr}
//	storm run -url http://127.0.0.1:8080/
//	storm bench -a './server -addr {addr}' -b './other -addr {addr}'
//	storm compare -server ours='./server -addr {addr}' -server other='./other -addr {addr}'
//
// "storm help" and "storm run -h" say more.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"example.com/restart/storm/internal/cli"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := cli.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	cancel()
	os.Exit(status)
}
