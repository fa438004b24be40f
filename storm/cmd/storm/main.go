// Command storm puts load on an HTTP server, restarts it again and again, and counts what the clients lose.
//
//	storm [flags] -- ./server args…
//	storm [flags] -pid 123 -addr 127.0.0.1:8080
//	storm bench -a './server -addr {addr}' -b './other -addr {addr}'
//
// It exits with 1 if a request was lost, and with 2 if it could not run or a restart failed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"example.com/restart/storm"
)

const (
	exitLost   = 1
	exitFailed = 2
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	os.Exit(run(ctx, os.Args[1:]))
}

func run(ctx context.Context, args []string) int {
	if len(args) > 0 && args[0] == "bench" {
		return runBench(ctx, args[1:])
	}
	cfg, out, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	report, err := storm.Run(ctx, cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	if err := errors.Join(report.WriteTable(os.Stdout), out.write(report)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	switch {
	case report.Lost > 0:
		return exitLost
	case len(report.Failed()) > 0:
		return exitFailed
	}
	return 0
}
