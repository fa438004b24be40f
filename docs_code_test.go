package restart_test

import (
	"fmt"
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
// that are exported, commands that exist.

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

// A command is one line of the documentation that somebody may type.
type command struct {
	where string
	text  string
}

// isCommand finds those among other text that the tests below can check.
var isCommand = regexp.MustCompile(`^(?:go (?:run|build|test|vet|install|doc) |make |scripts/|\.ci/|storm |restartctl |bash |sh )`)

// commands returns the commands of a page, with those of its tables and sentences.
func (p markdownPage) commands() (all []command) {
	add := func(line int, text string) {
		text, _, _ = strings.Cut(text, " # ")
		text, _, _ = strings.Cut(text, "  #")
		text, _, _ = strings.Cut(text, ";")
		if isCommand.MatchString(text) {
			all = append(all, command{fmt.Sprintf("%s:%d", p.file, line), strings.TrimSpace(text)})
		}
	}
	for _, b := range p.blocks {
		if b.lang == "go" || b.lang == "diff" {
			continue
		}
		for i, line := range b.lines {
			add(b.line+i, strings.TrimPrefix(strings.TrimSpace(line), "$ "))
		}
	}
	for _, code := range p.inline {
		add(0, strings.ReplaceAll(code, `\|`, "|"))
	}
	return all
}

func TestDocumentationCommands(t *testing.T) {
	count := 0
	for _, p := range markdown(t) {
		for _, c := range p.commands() {
			count++
			if err := c.check(); err != nil {
				t.Errorf("%s: %s: %v", c.where, c.text, err)
			}
		}
	}
	if count < 50 {
		t.Errorf("found only %d commands", count)
	}
}

// A check that finds nothing wrong would let every page pass.
func TestWrongCommandsAreFound(t *testing.T) {
	for _, text := range []string{
		"make nothing",
		"go test ./docs",
		"go test ./docs/...",
		"go run ./nothing",
		"go run ./examples", // a directory with programs below it
		"go run ./examples/http -nothing",
		"go test -run TestOfNothing .",
		"storm -nothing",
		"restartctl nothing",
		"scripts/nothing",
	} {
		if err := (command{"here", text}).check(); err == nil {
			t.Errorf("%s: got no error", text)
		}
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

func (c command) check() error {
	words := shellWords(substitution.ReplaceAllString(c.text, ""))
	switch words[0] {
	case "make":
		return checkMake(words[1:])
	case "go":
		return checkGo(words[1], words[2:])
	case "storm":
		return checkFlags(words[1:], "storm")
	case "restartctl":
		return checkRestartctl(words[1:])
	case "bash", "sh":
		return nil
	}
	_, err := os.Stat(words[0])
	return err
}

// shellWords splits a command at spaces outside of quotes.
func shellWords(s string) (words []string) {
	for _, m := range shellWord.FindAllString(s, -1) {
		words = append(words, strings.NewReplacer("'", "", `"`, "").Replace(m))
	}
	return words
}

var substitution = regexp.MustCompile(`\$\([^()]*\)`) // has a command of its own

var shellWord = regexp.MustCompile(`(?:'[^']*'|"[^"]*"|[^\s'"])+`)

func checkMake(args []string) error {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		return err
	}
	for _, a := range args {
		if !strings.Contains(a, "=") && !strings.Contains(string(makefile), "\n"+a+":") {
			return fmt.Errorf("the Makefile has no target %s", a)
		}
	}
	return nil
}

// checkGo checks the packages, what -run and -bench name, and the flags that the
// program gets.
func checkGo(verb string, args []string) error {
	var dirs []string
	var patterns []string
	for i := 0; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-run" || a == "-bench" || a == "-fuzz":
			i++
			if i < len(args) && args[i] != "^$" {
				patterns = append(patterns, strings.Split(args[i], "|")...)
			}
		case a == "-o" || a == "-ldflags" || a == "-count" || a == "-benchtime" || a == "-C":
			i++
		case strings.HasPrefix(a, "-"), a == "work", a == "&&", a == "&":
		default:
			dir, ours := packageDir(a)
			if !ours {
				continue
			}
			if err := hasGo(dir, a); err != nil {
				return err
			}
			dirs = append(dirs, dir)
			if verb == "run" {
				return checkFlags(args[i+1:], programDir(dir))
			}
		}
	}
	if verb != "test" {
		return nil
	}
	for _, p := range patterns {
		if err := hasTest(dirs, strings.Trim(p, "^$")); err != nil {
			return err
		}
	}
	return nil
}

// packageDir returns the directory of a package, and whether it is one of this
// repository: a program that a page has the reader write is not.
func packageDir(arg string) (string, bool) {
	arg, _, versioned := strings.Cut(strings.TrimSuffix(arg, "/..."), "@")
	if rest, ok := strings.CutPrefix(arg, modulePath); ok {
		return filepath.Join(".", rest), true
	}
	return arg, !versioned && (arg == "." || strings.HasPrefix(arg, "./"))
}

const modulePath = "example.com/restart"

// hasGo returns an error if there are no Go files in the directory of a package or,
// for a pattern with "...", below it.
func hasGo(dir, pattern string) error {
	found, below := false, strings.HasSuffix(pattern, "/...")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case filepath.Ext(path) == ".go":
			found = true
			return filepath.SkipAll
		case d.IsDir() && path != dir && !below:
			return filepath.SkipDir
		}
		return nil
	})
	if err == nil && !found {
		err = fmt.Errorf("no Go files in %s", dir)
	}
	return err
}

// programDir returns where a program's flags are defined: those of storm are in
// packages of its module.
func programDir(dir string) string {
	if first, rest, _ := strings.Cut(filepath.ToSlash(filepath.Clean(dir)), "/"); first == "storm" && rest != "" {
		return "storm"
	}
	return dir
}

var flagWord = regexp.MustCompile(`^--?([a-z][a-z-]*)(?:=.*)?$`)

// checkFlags looks for each flag in the source below dir. What follows "--" is for
// another program.
func checkFlags(args []string, dir string) error {
	var source strings.Builder
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		if err != nil || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		source.Write(b)
		return err
	})
	if err != nil {
		return err
	}
	for _, a := range args {
		if a == "--" || a == "&" {
			break
		}
		m := flagWord.FindStringSubmatch(strings.Trim(a, "[]"))
		if m != nil && m[1] != "h" && !strings.Contains(source.String(), `"`+m[1]+`"`) {
			return fmt.Errorf("no flag -%s in %s", m[1], dir)
		}
	}
	return nil
}

func checkRestartctl(args []string) error {
	b, err := filepath.Glob("cmd/restartctl/*.go")
	if err != nil {
		return err
	}
	var source strings.Builder
	for _, file := range b {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		source.Write(text)
	}
	for i, a := range args {
		if i == 0 && !strings.HasPrefix(a, "-") && !strings.Contains(source.String(), `"`+a) {
			return fmt.Errorf("restartctl has no command %s", a)
		}
	}
	return checkFlags(args, "cmd/restartctl")
}

// hasTest looks for a test, benchmark or example that the pattern matches. "go
// test" is content with none.
func hasTest(dirs []string, pattern string) error {
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
		if err != nil {
			return err
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			for _, m := range testFunc.FindAllStringSubmatch(string(b), -1) {
				if strings.Contains(m[1], pattern) {
					return nil
				}
			}
		}
	}
	return fmt.Errorf("no test in %q matches %s", dirs, pattern)
}
