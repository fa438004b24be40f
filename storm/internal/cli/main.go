// Package cli is the command line of storm.
package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
)

// Exit statuses.
const (
	exitGood   = 0
	exitLost   = 1 // a request was lost, a connection has not stayed, or a rate was below the bar
	exitFailed = 2 // storm could not run or cannot tell, or a restart failed
)

const overview = `storm puts load on an HTTP server, restarts it, and counts what the clients lose.

Usage:
  storm run [flags] -- server arguments...    start a server, restart it under load, count the losses
  storm run [flags] -pid PID -addr host:port  the same with a server that runs already
  storm run [flags] -url http://host/path     put load on any server by GET
  storm bench [flags] -a command -b command   compare the speed of two servers
  storm compare [flags] -server name=command  compare what several servers lose while they restart

"storm run" may be shortened to "storm" when flags follow: storm -- ./server -addr {addr}
"storm run -h", "storm bench -h" and "storm compare -h" list the flags.

Exit status: 0 if nothing was lost, 1 if a request was lost, 2 if storm could not run or a restart failed.
`

// Main runs storm with its arguments and returns the exit status.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, overview)
		return exitFailed
	}
	switch first := args[0]; {
	case first == "run":
		return Run(ctx, args[1:], stdout, stderr)
	case first == "bench":
		return Bench(ctx, args[1:], stdout, stderr)
	case first == "compare":
		return Compare(ctx, "storm compare", nil, args[1:], stdout, stderr)
	case first == "help" || first == "-h" || first == "-help" || first == "--help":
		fmt.Fprint(stdout, overview)
		return exitGood
	case strings.HasPrefix(first, "-"):
		return Run(ctx, args, stdout, stderr)
	default:
		fmt.Fprintf(stderr, "storm: unknown command %q. To start a server: storm run -- %s\n\n%s", first, strings.Join(args, " "), overview)
		return exitFailed
	}
}
