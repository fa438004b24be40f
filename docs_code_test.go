package restart_test

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// What the documentation shows as code must be right: Go that can be parsed, names
// that are exported.

var program = regexp.MustCompile("(?s)```go\n(package main\n.*?)```")

// readmeProgram returns the program of README.md.
func readmeProgram(t *testing.T) []byte { t.Helper(); return inReadme(t, program) }

// inReadme returns the group of the expression, which README.md must match.
func inReadme(t *testing.T, expr *regexp.Regexp) []byte {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	m := expr.FindSubmatch(readme)
	if m == nil {
		t.Fatalf("README.md has nothing like %s", expr)
	}
	return m[1]
}

// The first thing that a visitor copies must compile.
func TestReadmeProgramCompiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "main.go")
	if err := os.WriteFile(file, readmeProgram(t), 0o644); err != nil {
		t.Fatal(err)
	}
	goTool(t, "vet", file)
}

var goGet = regexp.MustCompile(`(?m)^    go get (\S+)$`)

// It also compiles where a visitor has it: in a module of its own, after what README.md
// says to type there. The module cache has what that needs, since this test has
// been built with it.
func TestReadmeProgramCompilesInItsOwnModule(t *testing.T) {
	get, code := inReadme(t, goGet), readmeProgram(t)
	clone, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, add := range map[string][]string{
		// The version is the one that Go gives to a module that a directory replaces.
		"go get":      {"get", string(get) + "@v0.0.0-00010101000000-000000000000"},
		"go mod tidy": {"mod", "tidy"},
	} {
		t.Run(name, func(t *testing.T) {
			for k, v := range map[string]string{"GOWORK": "off", "GOFLAGS": "", "GOPROXY": "off", "GOSUMDB": "off"} {
				t.Setenv(k, v)
			}
			t.Chdir(t.TempDir())
			if err := os.WriteFile("main.go", code, 0o644); err != nil {
				t.Fatal(err)
			}
			goTool(t, "mod", "init", "hello")
			goTool(t, "mod", "edit", "-replace", modulePath+"="+clone)
			goTool(t, add...)
			goTool(t, "vet", ".")
		})
	}
}

// Blocks are of few kinds, so that the tests below find all that they should.
func TestDocumentationBlocksHaveKnownLanguages(t *testing.T) {
	known := []string{"go", "sh", "console", "diff", "text", "indented", ""}
	for _, p := range markdown(t) {
		for _, b := range p.blocks {
			if !slices.Contains(known, b.lang) {
				t.Errorf("%s:%d: a block of %q, want one of %q", p.file, b.line, b.lang, known)
			}
		}
	}
}

// Go in the documentation is formatted Go. A line "..." stands for what is left out.
func TestDocumentationGo(t *testing.T) {
	blocks := 0
	for _, p := range markdown(t) {
		for _, b := range p.blocks {
			if b.lang != "go" {
				continue
			}
			blocks++
			code := leftOut.ReplaceAllString(b.text(), "$1// ...\n")
			formatted, err := format.Source([]byte(code))
			if err != nil {
				t.Errorf("%s:%d: %v", p.file, b.line, err)
			} else if string(formatted) != code {
				t.Errorf("%s:%d: not as gofmt would have it, which is:\n%s", p.file, b.line, formatted)
			}
		}
	}
	if blocks < 5 {
		t.Errorf("found only %d blocks of Go", blocks)
	}
}

var (
	leftOut   = regexp.MustCompile(`(?m)^(\s*)\.\.\.\n`)
	qualified = regexp.MustCompile(`\b(restart|restarthttp|control|tcp|grpcadapter|restarttest|servicetest)\.([A-Z]\w*)`)
	ofType    = regexp.MustCompile(`\b(Options|Status|Handover|RestartError|Restarter|Server)(?:\(\))?\.([A-Z]\w*)`)
	method    = regexp.MustCompile(`^r\.([A-Z]\w*)`)
)

// Names that the documentation uses are exported. testdata/api has all of them.
func TestDocumentationNamesExports(t *testing.T) {
	api := make(map[string]string)
	for pkg, file := range map[string]string{
		"restart": "restart", "restarthttp": "http", "control": "control", "tcp": "tcp",
		"grpcadapter": "grpcadapter", "restarttest": "restarttest", "servicetest": "servicetest",
	} {
		b, err := os.ReadFile(filepath.Join("testdata", "api", file+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		api[pkg] = string(b)
	}
	all := strings.Join([]string{api["restart"], api["restarthttp"], api["control"], api["tcp"], api["grpcadapter"]}, "")
	names := 0
	for _, p := range markdown(t) {
		// These name what other libraries have, and what was rejected.
		foreign := strings.HasPrefix(p.file, "docs/migrating/") || strings.HasPrefix(p.file, "docs/adr/")
		code := slices.Clone(p.inline)
		for _, b := range p.blocks {
			if b.lang != "diff" {
				code = append(code, b.lines...)
			}
		}
		for _, line := range code {
			for _, m := range qualified.FindAllStringSubmatch(line, -1) {
				names++
				if !regexp.MustCompile(`(?m)^(?:const|var|type|func) ` + m[2] + `\b`).MatchString(api[m[1]]) {
					t.Errorf("%s names %s, which is not exported", p.file, m[0])
				}
			}
			for _, m := range ofType.FindAllStringSubmatch(line, -1) {
				names++
				member := regexp.MustCompile(`(?m)^(?:field ` + m[1] + `\.|func \(\w+ \*?` + m[1] + `\) )` + m[2] + `\b`)
				if !foreign && !member.MatchString(all) {
					t.Errorf("%s names %s, which is not exported", p.file, m[0])
				}
			}
		}
		for _, line := range p.inline {
			if m := method.FindStringSubmatch(line); m != nil && !strings.Contains(api["restart"], "func (r *Restarter) "+m[1]+"(") &&
				!strings.HasPrefix(line, "r.Context") {
				t.Errorf("%s names %s, which is no method of Restarter", p.file, m[0])
			}
		}
	}
	if names < 100 {
		t.Errorf("found only %d names", names)
	}
}

// Scripts in the documentation are shell.
func TestDocumentationShell(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no shell")
	}
	for _, p := range markdown(t) {
		for _, b := range p.blocks {
			if b.lang != "sh" {
				continue
			}
			cmd := exec.Command("sh", "-n")
			cmd.Stdin = strings.NewReader(b.text())
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s:%d: %v\n%s", p.file, b.line, err, out)
			}
		}
	}
}
