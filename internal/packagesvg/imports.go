// Package packagesvg draws docs/packages.svg, the picture of the packages and who
// imports whom. This draws it anew:
//
//	go test ./internal/packagesvg -update
package packagesvg

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

const module = "example.com/restart"

// A kind is a colour of the picture.
type kind string

const (
	command  kind = "command"  // cmd/ and examples
	public   kind = "public"   // for users
	root     kind = "root"     // restart itself
	internal kind = "internal" // for nobody else
)

// A graph says what each package imports, by names without the module's path.
type graph map[string]map[string]bool

// list returns the packages of all modules in go.work. Examples are one, and so is
// storm.
func list() (graph, error) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", "work")
	cmd.Env = append(os.Environ(), "GOOS=linux") // which has all
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	g := make(graph)
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct {
			ImportPath string
			Imports    []string
		}
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return g.shown(), nil
		} else if err != nil {
			return nil, fmt.Errorf("go list: %w", err)
		}
		from := short(p.ImportPath)
		if g[from] == nil {
			g[from] = make(map[string]bool)
		}
		for _, path := range p.Imports {
			if to := short(path); to != "" && to != from {
				g[from][to] = true
			}
		}
	}
}

// short returns the name in the picture of what has this path, empty if it is
// not of this repository.
func short(path string) string {
	rest, ok := strings.CutPrefix(path, module)
	if !ok {
		return ""
	}
	if rest == "" {
		return "restart"
	}
	rest = strings.TrimPrefix(rest, "/")
	for _, one := range []string{"examples", "storm"} {
		if rest == one || strings.HasPrefix(rest, one+"/") {
			return one
		}
	}
	return rest
}

func kindOf(name string) kind {
	switch {
	case name == "restart":
		return root
	case strings.HasPrefix(name, "internal/"):
		return internal
	case strings.HasPrefix(name, "cmd/"), name == "examples":
		return command
	default:
		return public
	}
}

// shown returns g without internal packages that no other package shown imports:
// they are for tests.
func (g graph) shown() graph {
	for {
		imported := make(map[string]bool)
		for _, imports := range g {
			maps.Copy(imported, imports)
		}
		n := len(g)
		maps.DeleteFunc(g, func(name string, _ map[string]bool) bool { return kindOf(name) == internal && !imported[name] })
		if len(g) == n {
			return g
		}
	}
}

// reduced returns g without the arrows that follow from others.
func (g graph) reduced() graph {
	less := make(graph)
	for name, imports := range g {
		less[name] = maps.Clone(imports)
		for to := range imports {
			for via := range imports {
				if via != to && g.reaches(via, to) {
					delete(less[name], to)
				}
			}
		}
	}
	return less
}

func (g graph) reaches(from, to string) bool {
	for next := range g[from] {
		if next == to || g.reaches(next, to) {
			return true
		}
	}
	return false
}

func (g graph) names() []string { return slices.Sorted(maps.Keys(g)) }
