package main

import (
	"context"
	"fmt"
	"os"
)

func runBench(context.Context, []string) int {
	fmt.Fprintln(os.Stderr, "storm: no bench yet")
	return exitFailed
}
