package restart_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

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
		case a == "-update" && dirs == nil:
			return errors.New("go test takes no package after a flag that it does not know: put -update behind it")
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
