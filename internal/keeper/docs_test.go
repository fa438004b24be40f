package keeper

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	logged     = regexp.MustCompile("(?:Info|Warn|Error)\\([\"`](restart-keeper: .*?)[\"`][,)]")
	documented = regexp.MustCompile("(?m)^\\| `(restart-keeper: .*?)` \\|")
)

// docs/containers.md lists every line that a keeper logs, and no other.
func TestDocumentationListsTheLogLines(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var source strings.Builder
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		source.Write(b)
	}
	docs, err := os.ReadFile("../../docs/containers.md")
	if err != nil {
		t.Fatal(err)
	}
	lines := func(re *regexp.Regexp, text string) (lines []string) {
		for _, m := range re.FindAllStringSubmatch(text, -1) {
			lines = append(lines, m[1])
		}
		return lines
	}
	code, doc := lines(logged, source.String()), lines(documented, string(docs))
	if len(code) < 10 {
		t.Fatalf("found %d lines in the code", len(code))
	}
	for _, line := range code {
		if !slices.Contains(doc, line) {
			t.Errorf("docs/containers.md does not list %q", line)
		}
	}
	for _, line := range doc {
		if !slices.Contains(code, line) {
			t.Errorf("docs/containers.md lists %q, which nothing logs", line)
		}
	}
}
