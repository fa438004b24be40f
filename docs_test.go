package restart_test

import (
	"net/url"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// What the documentation says must be there: the pages, what they link to, and
// what they name. docs_code_test.go has the tests of its code,
// docs_commands_test.go those of its commands.

// Whoever has a minute must get through README.md in it.
func TestReadmeIsShort(t *testing.T) {
	b, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Count(string(b), "\n"); got > 150 {
		t.Errorf("README.md has %d lines, want at most 150", got)
	}
	if !regexp.MustCompile(`(?m)^go test `).Match(b) {
		t.Error("README.md has no line that begins with \"go test\", which .ci/run looks for")
	}
}

// Every page is found from docs/README.md.
func TestDocumentationIndex(t *testing.T) {
	index, err := os.ReadFile("docs/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, pattern := range []string{"docs/*.md", "docs/migrating/*.md"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("found no %s: %v", pattern, err)
		}
		for _, file := range files {
			name := strings.TrimPrefix(filepath.ToSlash(file), "docs/")
			if name != "README.md" && !strings.Contains(string(index), "("+name+")") {
				t.Errorf("docs/README.md does not link to %s", name)
			}
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)\s]+)\)`)

// A link to a file or a heading that was moved helps nobody. Links to other
// sites are only looked at: a test must not need the network.
func TestDocumentationLinks(t *testing.T) {
	pages := markdown(t)
	anchors := make(map[string]map[string]bool)
	for _, p := range pages {
		anchors[p.file] = anchorsOf(p)
	}
	links := 0
	for _, p := range pages {
		for _, m := range link.FindAllStringSubmatch(p.prose, -1) {
			links++
			u, err := url.Parse(m[1])
			switch {
			case err != nil:
				t.Errorf("%s: link to %s: %v", p.file, m[1], err)
			case u.Scheme == "https" && u.Host != "":
			case u.Scheme != "" || u.Host != "":
				t.Errorf("%s links to %s, which is neither a file nor https", p.file, m[1])
			default:
				target := p.file
				if u.Path != "" {
					target = path.Join(path.Dir(p.file), u.Path)
				}
				if _, err := os.Stat(target); err != nil {
					t.Errorf("%s links to %s: %v", p.file, m[1], err)
				} else if u.Fragment != "" && !anchors[target][u.Fragment] {
					t.Errorf("%s links to %s, but there is no such heading", p.file, m[1])
				}
			}
		}
	}
	if links < 100 {
		t.Errorf("found only %d links", links)
	}
}

// anchorsOf returns the fragments of a page, as GitHub makes them of headings.
func anchorsOf(p markdownPage) map[string]bool {
	anchors := make(map[string]bool)
	for _, h := range p.headings {
		anchors[anchor(h)] = true
	}
	return anchors
}

var notInAnchors = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)

func anchor(heading string) string {
	s := strings.ToLower(strings.TrimSpace(heading))
	return strings.ReplaceAll(notInAnchors.ReplaceAllString(s, ""), " ", "-")
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
	for _, p := range markdown(t) {
		for _, name := range testName.FindAllString(p.text, -1) {
			if !exists[name] {
				t.Errorf("%s names %s, which does not exist", p.file, name)
			}
		}
	}
}

// traced is a file of a trace, and the functions that are named behind it.
var traced = regexp.MustCompile("\\]\\(\\.\\./([^)\\s]+\\.go)\\)(?: \\|)? ((?:`[\\w.]+`(?:, (?:then )?)?)+)")

// docs/architecture.md leads the reader from function to function. Each must be in
// the file that the page names.
func TestDocumentationTraces(t *testing.T) {
	page, err := os.ReadFile("docs/architecture.md")
	if err != nil {
		t.Fatal(err)
	}
	functions := 0
	for _, m := range traced.FindAllStringSubmatch(string(page), -1) {
		source, err := os.ReadFile(m[1])
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range quoted.FindAllStringSubmatch(m[2], -1) {
			functions++
			name, receiver := q[1], `(?:\([^)]*\) )?`
			if of, method, ok := strings.Cut(name, "."); ok {
				name, receiver = method, `\(\w+ \*?`+of+`\) `
			}
			if !regexp.MustCompile(`(?m)^func ` + receiver + name + `\(`).Match(source) {
				t.Errorf("docs/architecture.md names %s, which is not in %s", q[1], m[1])
			}
		}
	}
	if functions < 50 {
		t.Errorf("found only %d functions", functions)
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
