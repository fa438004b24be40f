package restart_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// The rules of this repository that a machine can check.

func goTool(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command("go", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// Whoever imports this library gets its requirements too, so they stay few.
// What needs gRPC, Prometheus or WebSockets lives in a nested module.
func TestRequirementsAreFew(t *testing.T) {
	allowed := []string{
		"github.com/coreos/go-systemd/v22",
		"github.com/google/renameio/v2",
		"github.com/hashicorp/go-multierror",
		"golang.org/x/crypto", // only chacha20poly1305, see docs/adr/0014-chacha20.md
		"golang.org/x/sync",
		"golang.org/x/sys",
		// For tests.
		"github.com/google/go-cmp",
		"go.uber.org/goleak",
		"pgregory.net/rapid",
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(goTool(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require) == 0 {
		t.Fatal("found no requirements in go.mod")
	}
	for _, r := range mod.Require {
		if !r.Indirect && !slices.Contains(allowed, r.Path) {
			t.Errorf("go.mod requires %s, which is not on the list in this test", r.Path)
		}
	}
}

// A program that serves another protocol must not pay for net/http.
func TestRootDoesNotImportHTTP(t *testing.T) {
	deps := strings.Fields(string(goTool(t, "list", "-deps", ".")))
	if !slices.Contains(deps, "net") {
		t.Fatalf("go list -deps has no net: %q", deps)
	}
	for _, heavy := range []string{"net/http", "crypto/tls"} {
		if slices.Contains(deps, heavy) {
			t.Errorf("the root package imports %s", heavy)
		}
	}
}

var program = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// The first thing that a visitor copies must compile.
func TestReadmeProgramCompiles(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := program.FindSubmatch(readme)
	if m == nil {
		t.Fatal("README.md has no program")
	}
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, m[1], 0o644); err != nil {
		t.Fatal(err)
	}
	goTool(t, "vet", file)
}

// markdown returns the documentation's files and what is in them.
func markdown(t *testing.T) map[string]string {
	t.Helper()
	docs := make(map[string]string)
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", "examples/*.md", "examples/*/*.md", "storm/*.md", "metrics/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			docs[file] = string(b)
		}
	}
	if len(docs) == 0 {
		t.Fatal("found no documentation")
	}
	return docs
}

var link = regexp.MustCompile(`\]\(([^)\s#]+)(#[^)]*)?\)`)

// A link to a file that was moved helps nobody.
func TestDocumentationLinks(t *testing.T) {
	links := 0
	for file, text := range markdown(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			if strings.Contains(m[1], "://") {
				continue
			}
			links++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
	if links == 0 {
		t.Error("found no links")
	}
}

var (
	testName = regexp.MustCompile(`\b(?:Test|Fuzz|Benchmark|Example)[A-Z]\w*`)
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark|Example)[A-Z]\w*)\(`)
)

// The documentation names the tests that show what it says. They must exist.
func TestDocumentationNamesTests(t *testing.T) {
	exists := make(map[string]bool)
	err := filepath.WalkDir(".", func(path string, _ os.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
			exists[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range markdown(t) {
		for _, name := range testName.FindAllString(text, -1) {
			if !exists[name] {
				t.Errorf("%s names %s, which does not exist", file, name)
			}
		}
	}
}

var (
	logCall = regexp.MustCompile(`(?s)\.(?:Info|Warn|Error)\(\s*"(restart[:/][^"]*)"`)
	logRow  = regexp.MustCompile("(?m)^\\| `(restart[:/][^|]*)")
	quoted  = regexp.MustCompile("`([^`]*)`")
)

// docs/operations.md lists every line that the library logs, and no other: at
// three in the morning somebody looks there for what the log says.
func TestDocumentationListsTheLogLines(t *testing.T) {
	logged := make(map[string]bool)
	for _, pattern := range []string{"*.go", "internal/*/*.go", "http/*.go", "tcp/*.go", "grpcadapter/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			b, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range logCall.FindAllStringSubmatch(string(b), -1) {
				logged[m[1]] = true
			}
		}
	}
	b, err := os.ReadFile("docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, row := range logRow.FindAllString(string(b), -1) {
		for _, m := range quoted.FindAllStringSubmatch(row, -1) {
			if strings.HasPrefix(m[1], "restart:") || strings.HasPrefix(m[1], "restart/") {
				documented[m[1]] = true
			}
		}
	}
	if len(logged) < 10 || len(documented) < 10 {
		t.Fatalf("found %d lines in the code and %d in the documentation", len(logged), len(documented))
	}
	for line := range logged {
		if !documented[line] {
			t.Errorf("docs/operations.md does not list %q", line)
		}
	}
	for line := range documented {
		if !logged[line] {
			t.Errorf("docs/operations.md lists %q, which nothing logs", line)
		}
	}
}
