// Command compare puts the same storm on servers that restart in different ways, one after the other, and prints what each
// of them lost.
//
//	go run ./storm/peers/cmd/compare -server ours='./server -addr {addr}'
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"example.com/restart/storm"
)

// contestant is a server to be compared.
type contestant struct {
	name    string
	command string
	signal  syscall.Signal
	skip    string
	// prepare makes what the command needs, such as a configuration, and returns what takes it away again.
	prepare func(ctx context.Context, p *place) (command string, clean func(), err error)
}

// servers are those that the user adds.
type servers []contestant

func (s *servers) String() string { return "" }

func (s *servers) Set(v string) error {
	name, command, ok := strings.Cut(v, "=")
	if !ok || name == "" || command == "" {
		return fmt.Errorf("%q is not name=command", v)
	}
	*s = append(*s, contestant{name: name, command: command, signal: syscall.SIGHUP})
	return nil
}

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
}

func run(ctx context.Context, args []string) error {
	var added servers
	f := flag.NewFlagSet("compare", flag.ContinueOnError)
	f.Var(&added, "server", "`name=command` of one more server, restarted by SIGHUP; {addr} becomes its address; may be repeated")
	only := f.String("only", "", "`names` of the peers to run, separated by commas; all if empty")
	restarts := f.Int("restarts", 10, "`number` of restarts of each server")
	every := f.Duration("every", 4*time.Second, "from one restart to the next; some refuse one while the process before still drains")
	tables := f.Bool("v", false, "print the table of each server too")
	if err := f.Parse(args); err != nil {
		if err == flag.ErrHelp {
			return nil
		}
		return err
	}
	p, err := newPlace()
	if err != nil {
		return err
	}
	defer p.remove()
	all := append(peers(p), added...)
	var rows []result
	for _, c := range all {
		if *only != "" && !strings.Contains(","+*only+",", ","+c.name+",") && !isAdded(added, c.name) {
			continue
		}
		if ctx.Err() != nil {
			break
		}
		fmt.Fprintf(os.Stderr, "compare: %s\n", c.name)
		r := result{name: c.name}
		if r.report, r.err = c.run(ctx, p, *restarts, *every); r.err != nil {
			fmt.Fprintf(os.Stderr, "compare: %s: %v\n", c.name, r.err)
		} else if *tables {
			if err := r.report.WriteTable(os.Stdout); err != nil {
				return err
			}
		}
		rows = append(rows, r)
	}
	fmt.Print(table(rows))
	return nil
}

func isAdded(added servers, name string) bool {
	for _, a := range added {
		if a.name == name {
			return true
		}
	}
	return false
}

// run puts the storm on one server. Plain HTTP/1.1 only: not all of them can do more.
func (c contestant) run(ctx context.Context, p *place, restarts int, every time.Duration) (*storm.Report, error) {
	if c.skip != "" {
		return nil, fmt.Errorf("skipped: %s", c.skip)
	}
	command := c.command
	if c.prepare != nil {
		line, clean, err := c.prepare(ctx, p)
		if err != nil {
			return nil, err
		}
		defer clean()
		command = line
	}
	cfg := storm.DefaultConfig()
	cfg.Command = []string{"sh", "-c", "exec " + command}
	cfg.Signal = c.signal
	cfg.Restarts, cfg.Every = restarts, every
	// Those that close nothing at once drain for as long as their clients stay: a minute with endless and overseer.
	cfg.DrainLimit = 75 * time.Second
	cfg.Load.TLS, cfg.Load.HTTP2 = 0, 0
	return storm.Run(ctx, cfg)
}
