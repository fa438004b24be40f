package cli

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"
)

// flags is a flag set whose help is grouped by purpose. The present value of each variable is its default.
type flags struct {
	set    *flag.FlagSet
	usage  string // before the flags
	after  string // behind the flags: examples
	groups []group
}

type group struct {
	title string
	names []string
}

func newFlags(name, usage, after string) *flags {
	f := &flags{set: flag.NewFlagSet(name, flag.ContinueOnError), usage: usage, after: after}
	f.set.SetOutput(io.Discard)
	f.set.Usage = func() {}
	return f
}

// group begins a group: the flags defined from here on belong to it.
func (f *flags) group(title string) { f.groups = append(f.groups, group{title: title}) }

func (f *flags) add(name string) {
	g := &f.groups[len(f.groups)-1]
	g.names = append(g.names, name)
}

func (f *flags) int(p *int, name, usage string) {
	f.set.IntVar(p, name, *p, usage)
	f.add(name)
}

func (f *flags) int64(p *int64, name, usage string) {
	f.set.Int64Var(p, name, *p, usage)
	f.add(name)
}

func (f *flags) float(p *float64, name, usage string) {
	f.set.Float64Var(p, name, *p, usage)
	f.add(name)
}

func (f *flags) duration(p *time.Duration, name, usage string) {
	f.set.DurationVar(p, name, *p, usage)
	f.add(name)
}

func (f *flags) string(p *string, name, usage string) {
	f.set.StringVar(p, name, *p, usage)
	f.add(name)
}

func (f *flags) bool(p *bool, name, usage string) {
	f.set.BoolVar(p, name, *p, usage)
	f.add(name)
}

func (f *flags) each(name, usage string, fn func(string) error) {
	f.set.Func(name, usage, fn)
	f.add(name)
}

// given reports whether a flag was on the command line.
func (f *flags) given(name string) (given bool) {
	f.set.Visit(func(x *flag.Flag) { given = given || x.Name == name })
	return given
}

// parse reads the arguments. If it has printed help or an error, it returns the exit status and true.
func (f *flags) parse(args []string, stdout, stderr io.Writer) (status int, done bool) {
	switch err := f.set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		f.writeHelp(stdout)
		return exitGood, true
	case err != nil:
		fmt.Fprintf(stderr, "storm: %v\nUse \"%s -h\" for help.\n", err, f.set.Name())
		return exitFailed, true
	}
	return exitGood, false
}

// writeHelp prints all flags, group by group.
func (f *flags) writeHelp(w io.Writer) {
	var b strings.Builder
	b.WriteString(f.usage)
	for _, g := range f.groups {
		fmt.Fprintf(&b, "\n%s:\n", g.title)
		for _, name := range g.names {
			x := f.set.Lookup(name)
			value, usage := flag.UnquoteUsage(x)
			head := "-" + name
			if value != "" {
				head += " " + value
			}
			if x.DefValue != "" && x.DefValue != "0" && x.DefValue != "0s" && x.DefValue != "false" {
				usage += fmt.Sprintf(" (default %s)", x.DefValue)
			}
			fmt.Fprintf(&b, "  %-24s %s\n", head, usage)
		}
	}
	b.WriteString(f.after)
	_, _ = io.WriteString(w, b.String())
}
