package cli

import (
	"context"
	"fmt"
	"io"

	"example.com/restart/storm/bench"
)

const benchUsage = `Compare the speed of two servers, A to B, in turns within one run.

Usage:
  storm bench [flags] -a command -b command

{addr} in a command becomes a free address.
`

const benchExamples = `
Examples:
  storm bench -a './ours -addr {addr}' -b './bare -addr {addr}'
  storm bench -bar 0.98 -pairs 1000 -a './ours -addr {addr}' -b './bare -addr {addr}'
  storm bench -tls -a './ours -addr 127.0.0.1:0 -tls-addr {addr}' -b './bare -addr 127.0.0.1:0 -tls-addr {addr}'

Exit status: 0, or 1 if a rate was below the bar, or 2 if storm could not run or cannot tell on which side of the bar a rate is.
`

// Bench is "storm bench".
func Bench(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := bench.Default()
	bar := 0.0
	f := newFlags("storm bench", benchUsage, benchExamples)
	f.group("Target")
	f.string(&c.A, "a", "shell `command` that starts server A")
	f.string(&c.B, "b", "shell `command` that starts server B")
	f.bool(&c.TLS, "tls", "both servers speak TLS at {addr}")
	f.group("Load")
	f.int(&c.Connections, "connections", "number of connections at once")
	f.int64(&c.DownloadSize, "download-size", "bytes of the large file; 0: no download")
	f.group("Turns")
	f.int(&c.Pairs, "pairs", "number of turns of each server, at least 5")
	f.duration(&c.Time, "time", "length of one turn")
	f.group("Limits")
	f.float(&bar, "bar", "lowest `ratio` of A to B that exits with 0, if the whole interval is above it")
	if status, done := f.parse(args, stdout, stderr); done {
		return status
	}
	c.Say = func(s string) { fmt.Fprintln(stderr, "storm:", s) }
	rep, err := bench.Run(ctx, c)
	if err == nil {
		err = rep.WriteTable(stdout)
	}
	if err != nil {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if !f.given("bar") {
		return exitGood
	}
	lines, failed, unsure := rep.Decide(bar)
	for _, line := range lines {
		fmt.Fprintln(stdout, line)
	}
	switch {
	case failed:
		return exitLost
	case unsure:
		return exitFailed
	}
	return exitGood
}
