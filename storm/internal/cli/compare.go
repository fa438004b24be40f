package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"example.com/restart/storm/compare"
	"example.com/restart/storm/internal/picture"
)

const compareUsage = `Put the same load on several servers, one after the other, restart each of them, and show what each lost.

Usage:
  %[1]s [flags] -server name=command -server name:signal=command...

{addr} in a command becomes a free address. SIGHUP restarts a server unless its name is followed by another signal.
`

const compareExamples = `
Examples:
  %[1]s -server ours='./ours -addr {addr}' -server other:USR2='./other -addr {addr}'
  %[1]s -restarts 5 -json all.json -plot all.svg -server ours='./ours -addr {addr}'
  %[1]s -from all.json -plot all.png

Exit status: 0, or 2 if storm could not run. Losses are in the table.
`

// Compare is "storm compare", under the given name. Built-in contestants take part after those of -server, unless -only
// leaves them out.
func Compare(ctx context.Context, name string, builtIn []compare.Contestant, args []string, stdout, stderr io.Writer) int {
	c := compare.DefaultConfig()
	var only, from, json, plot string
	tables := false
	f := newFlags(name, fmt.Sprintf(compareUsage, name), fmt.Sprintf(compareExamples, name))
	f.group("Target")
	f.each("server", "`name=command` of a server; may be repeated", func(s string) error {
		x, err := compare.ParseContestant(s)
		c.Contestants = append(c.Contestants, x)
		return err
	})
	if len(builtIn) > 0 {
		f.string(&only, "only", "`names` of the built-in servers that take part, separated by commas; \"none\" for none. With -from, of the servers that are shown")
	}
	loadFlags(f, &c.Load)
	f.group("Restarts")
	f.int(&c.Restarts, "restarts", "number of restarts of each server")
	f.duration(&c.Every, "every", "from one restart to the next; some servers refuse one while an old process drains")
	f.group("Output")
	f.string(&plot, "plot", "draw all servers to this `file`, .svg or .png")
	f.string(&json, "json", "write all reports to this `file`")
	f.string(&from, "from", "run nothing, but show the reports of this `file` of -json")
	f.bool(&tables, "v", "print the table of each server too")
	f.group("Limits")
	f.duration(&c.DrainLimit, "drain-limit", "for the old processes to end after the last restart")
	if status, done := f.parse(args, stdout, stderr); done {
		return status
	}
	fail := func(err error) int {
		fmt.Fprintln(stderr, err)
		return exitFailed
	}
	if f.set.NArg() > 0 {
		return fail(fmt.Errorf("storm: unexpected argument %q; each server needs -server name='command'", f.set.Arg(0)))
	}
	if plot != "" {
		if err := picture.CanDraw(plot); err != nil {
			return fail(err)
		}
	}
	c.Begin = func(name string) { fmt.Fprintf(stderr, "storm: %s\n", name) }
	c.End = func(r compare.Result) error {
		switch {
		case r.Err != nil:
			fmt.Fprintf(stderr, "storm: %s: %v\n", r.Name, r.Err)
		case tables:
			return r.Report.WriteTable(stdout)
		}
		return nil
	}
	var results []compare.Result
	var err error
	if from != "" {
		results, err = read(from, only)
	} else {
		results, err = runWith(ctx, c, builtIn, only)
	}
	if err != nil {
		return fail(err)
	}
	if err := writeResults(stdout, results, json, plot); err != nil {
		return fail(err)
	}
	return exitGood
}

// writeResults writes a table, and files where they are named.
func writeResults(stdout io.Writer, results []compare.Result, json, plot string) error {
	err := compare.WriteTable(stdout, results)
	if json != "" {
		err = errors.Join(err, writeFile(json, func(w io.Writer) error { return compare.WriteJSON(w, results) }))
	}
	if plot != "" {
		err = errors.Join(err, compare.Plot(plot, results))
	}
	return err
}

// runWith runs the comparison with the built-in contestants that are named.
func runWith(ctx context.Context, c compare.Config, builtIn []compare.Contestant, only string) ([]compare.Result, error) {
	chosen, err := choose(builtIn, only, func(c compare.Contestant) string { return c.Name })
	if err != nil {
		return nil, err
	}
	c.Contestants = append(c.Contestants, chosen...)
	return compare.Run(ctx, c)
}

// read returns the results of an earlier comparison that are named.
func read(path, only string) ([]compare.Result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("storm: %w", err)
	}
	defer f.Close()
	all, err := compare.ReadJSON(f)
	if err != nil {
		return nil, err
	}
	return choose(all, only, func(r compare.Result) string { return r.Name })
}

// choose returns those of all that are named, or all without names.
func choose[T any](all []T, names string, nameOf func(T) string) (chosen []T, err error) {
	switch names {
	case "":
		return all, nil
	case "none":
		return nil, nil
	}
	for _, name := range strings.Split(names, ",") {
		i := slices.IndexFunc(all, func(x T) bool { return nameOf(x) == name })
		if i < 0 {
			return nil, fmt.Errorf("storm: -only: no server is named %q", name)
		}
		chosen = append(chosen, all[i])
	}
	return chosen, nil
}
