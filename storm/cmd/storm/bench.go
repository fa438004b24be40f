package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"

	"example.com/restart/storm/bench"
)

// runBench exits with 1 if A is slower than the bar.
func runBench(ctx context.Context, args []string) int {
	c := bench.Default()
	f := flag.NewFlagSet("storm bench", flag.ContinueOnError)
	f.StringVar(&c.A, "a", "", "shell `command` of server A; {addr} becomes a free address")
	f.StringVar(&c.B, "b", "", "shell `command` of server B")
	f.IntVar(&c.Pairs, "pairs", c.Pairs, "`number` of turns of each, at least 5")
	f.DurationVar(&c.Time, "time", c.Time, "of one turn")
	f.IntVar(&c.Connections, "connections", c.Connections, "`number` of connections at once")
	f.Int64Var(&c.DownloadSize, "download-size", c.DownloadSize, "`bytes` of the large file; 0: none")
	bar := f.Float64("bar", 0, "exit 1 if the median `ratio` of a rate, keep-alive or one connection per request, is below")
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return exitFailed
	}
	c.Say = func(s string) { fmt.Fprintln(os.Stderr, "storm:", s) }
	rep, err := bench.Run(ctx, c)
	if err == nil {
		err = rep.WriteTable(os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return exitFailed
	}
	for _, r := range rep.Rows {
		if (r.Unit == "requests/s" || r.Unit == "connections/s") && r.Ratio.Median < *bar {
			fmt.Printf("%s: %.3f is below the bar of %.3f\n", r.Name, r.Ratio.Median, *bar)
			return exitLost
		}
	}
	return 0
}
