//go:build linux && amd64

package injecttest

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

var (
	full  = flag.Bool("full", os.Getenv("RESTART_INJECT") == "full", "fail every call of a restart, which takes long (also RESTART_INJECT=full)")
	sites = flag.Int("sites", 0, "with -full: at how many of its places in a restart a call fails, spread evenly; 0: at all")
	only  = flag.String("only", "", "with -full: the rows whose name holds this")
	file  = flag.String("table", "", "where the table goes; empty: to standard output")
)

// sample is what the ordinary test fails: a call for each of the things that a
// hand-over does.
var sample = []string{
	"old/socketpair/1/EMFILE",
	"old/execve/1/ENOMEM",
	"old/sendmsg/3/ENOBUFS",
	"new/recvmsg/1/ENOMEM",
	"new/fsync/1/ENOSPC",
	"new/dup3/1/EBUSY",
}

func TestInjection(t *testing.T) {
	if err := untraceable(); err != nil {
		t.Skipf("no system call can be made to fail here: %v", err)
	}
	rows, silent := sampled(t), false
	if *full {
		rows, silent = all(t), true
	}
	var mu sync.Mutex
	var outcomes []*outcome
	t.Run("rows", func(t *testing.T) {
		for _, r := range rows {
			t.Run(r.String(), func(t *testing.T) {
				t.Parallel()
				o := &outcome{row: r}
				mu.Lock()
				outcomes = append(outcomes, o)
				mu.Unlock()
				o.run(t)
				if o.fired == "" && !silent {
					t.Error("the call was not made")
				}
			})
		}
	})
	printTable(t, outcomes)
}

// sampled returns the rows of the sample.
func sampled(t *testing.T) []row {
	t.Helper()
	var rows []row
	for _, name := range sample {
		i := slices.IndexFunc(calls, func(c call) bool { return strings.Split(name, "/")[1] == c.name })
		if i < 0 {
			t.Fatalf("no call %q", name)
		}
		for _, errno := range calls[i].errnos {
			r := row{call: calls[i], errno: errno}
			var where string
			fmt.Sscanf(strings.ReplaceAll(name, "/", " "), "%s %s %d", &where, new(string), &r.nth)
			if r.where = place(where); r.String() == name {
				rows = append(rows, r)
			}
		}
	}
	if len(rows) != len(sample) {
		t.Fatalf("%d rows, want %d", len(rows), len(sample))
	}
	return rows
}

// all returns the rows of every call that a restart makes. It restarts once in
// each place to see those.
func all(t *testing.T) []row {
	t.Helper()
	var rows []row
	for _, where := range []place{inOld, inNew} {
		o := &outcome{row: row{where: where}}
		o.run(t)
		made := o.calls
		for _, number := range slices.Sorted(maps.Keys(made)) {
			i := slices.IndexFunc(calls, func(c call) bool { return c.number == number })
			switch {
			case i >= 0:
				t.Logf("%s: %s is called %d times", where, calls[i].name, made[number])
				for _, nth := range spread(made[number]) {
					for _, errno := range calls[i].errnos {
						rows = append(rows, row{calls[i], where, nth, errno})
					}
				}
			case spared[number] == "":
				t.Errorf("%s: system call %d is made, which the list of calls does not have", where, number)
			}
		}
	}
	return slices.DeleteFunc(rows, func(r row) bool { return !strings.Contains(r.String(), *only) })
}

// spread returns some of the numbers from 1 to n, the first and the last among
// them.
func spread(n int) []int {
	k := *sites
	if k <= 0 || n <= k {
		k = n
	}
	var some []int
	for i := range k {
		some = append(some, 1+i*(n-1)/max(1, k-1))
	}
	return some
}

// printTable prints the table.
func printTable(t *testing.T, outcomes []*outcome) {
	slices.SortFunc(outcomes, func(a, b *outcome) int { return cmp.Compare(a.String(), b.String()) })
	out := os.Stdout
	if *file != "" {
		f, err := os.Create(*file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		out = f
	} else if !testing.Verbose() {
		return
	}
	fired, well := 0, 0
	for _, o := range outcomes {
		verdict := "well"
		switch {
		case o.failed:
			verdict = "BADLY"
		case o.fired == "":
			verdict = "-"
		default:
			well++
		}
		if o.fired != "" {
			fired++
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%v\tlost %d\t%s\t%s\n", verdict, o, o.ended, o.took, o.lost, o.fired, o.words)
	}
	fmt.Fprintf(out, "%d rows, %d fired, %d of them ended well\n", len(outcomes), fired, well)
}
