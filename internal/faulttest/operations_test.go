//go:build linux

package faulttest

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the table into docs/operations.md")

const (
	operations = "../../docs/operations.md"
	begin      = "<!-- The tables up to the end mark are made by: go test ./internal/faulttest -run Operations -update -->\n"
	end        = "<!-- end -->\n"
)

// docs/operations.md shows the table to operators. What it says of a fault is what
// TestFaults checks.
func TestOperations(t *testing.T) {
	b, err := os.ReadFile(operations)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, begun := strings.Cut(string(b), begin)
	got, after, ended := strings.Cut(rest, end)
	if !begun || !ended {
		t.Fatalf("%s has no marks %q and %q", operations, begin, end)
	}
	want := markdown()
	if *update {
		if err := os.WriteFile(operations, []byte(before+begin+want+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got, see its mark):\n%s", operations, d)
	}
}

func markdown() string {
	var b strings.Builder
	for _, g := range table {
		fmt.Fprintf(&b, "\n### %s\n\n| what happens | who serves | error or log line | what to do |\n|---|---|---|---|\n", g.title)
		for _, f := range g.faults {
			if f.sameAsBefore {
				continue
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f.what, f.serves, f.words(), f.advice)
		}
	}
	b.WriteString("\n")
	return b.String()
}

// words returns what there is to read when the fault has happened.
func (f *fault) words() string {
	var words []string
	for _, w := range []string{f.logs, f.says} {
		if w != "" {
			words = append(words, "`"+w+"`")
		}
	}
	return strings.Join(words, ": ")
}

// Every fault is documented, and no two have one name.
func TestFaultsAreComplete(t *testing.T) {
	names := make(map[string]bool)
	for _, g := range table {
		for _, f := range g.faults {
			if names[f.name] {
				t.Errorf("two faults have the name %q", f.name)
			}
			names[f.name] = true
			if (f.what == "") != f.sameAsBefore || f.serves == "" || f.advice == "" || len(f.steps) == 0 {
				t.Errorf("fault %q: something is missing", f.name)
			}
			if strings.Contains(f.what+f.says+f.advice, "|") {
				t.Errorf("fault %q has a bar, which ends a column", f.name)
			}
		}
	}
}
