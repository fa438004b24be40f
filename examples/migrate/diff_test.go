// Package migrate has small programs on other libraries, and the same programs on this one.
package migrate

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/rogpeppe/go-internal/diff"
)

var update = flag.Bool("update", false, "write the diffs into docs/migrating")

// migrations are the directories with a program before and after.
var migrations = []string{"endless", "tableflip", "grace", "overseer", "shutdown"}

func TestEveryMigrationIsListed(t *testing.T) {
	dirs, err := filepath.Glob("*/before")
	if err != nil {
		t.Fatal(err)
	}
	if len(dirs) != len(migrations) {
		t.Errorf("got directories %q, want one for each of %q", dirs, migrations)
	}
}

var diffBlock = regexp.MustCompile("(?s)```diff\n(.*?)```\n")

// The diffs in the documentation are those of programs that compile, and that
// TestPrograms runs.
func TestDiffs(t *testing.T) {
	for _, name := range migrations {
		t.Run(name, func(t *testing.T) {
			want := programDiff(t, name)
			path := filepath.Join("..", "..", "docs", "migrating", name+".md")
			page, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found := diffBlock.FindAllSubmatchIndex(page, -1)
			if len(found) != 1 {
				t.Fatalf("%s has %d blocks of diff, want 1", path, len(found))
			}
			from, to := found[0][2], found[0][3]
			if got := string(page[from:to]); got == want {
				return
			}
			if !*update {
				t.Fatalf("the diff in %s is not that of the programs: go test ./examples/migrate -run TestDiffs -update", path)
			}
			changed := append(append(page[:from:from], want...), page[to:]...)
			if err := os.WriteFile(path, changed, 0o644); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// programDiff returns the diff of the two programs.
func programDiff(t *testing.T, name string) string {
	t.Helper()
	before, after := name+"/before/main.go", name+"/after/main.go"
	var text [2][]byte
	for i, file := range []string{before, after} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text[i] = b
	}
	d := diff.Diff(before, text[0], after, text[1])
	if len(d) == 0 {
		t.Fatalf("%s and %s are the same", before, after)
	}
	_, d, _ = bytes.Cut(d, []byte("\n")) // the first line repeats the names
	return string(d)
}
