package migrate

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Whoever comes from another library finds each of its names on the page.
func TestPagesHaveEveryName(t *testing.T) {
	for _, library := range []struct {
		page, pkg string
		more      string // an unexported type whose methods and fields users use
	}{
		{"endless", "github.com/fvbock/endless", "endlessServer"},
		{"tableflip", "github.com/cloudflare/tableflip", ""},
		{"grace", "github.com/facebookgo/grace/gracehttp", ""},
		{"grace", "github.com/facebookgo/grace/gracenet", ""},
		{"overseer", "github.com/jpillora/overseer", ""},
	} {
		page, err := os.ReadFile(filepath.Join("..", "..", "docs", "migrating", library.page+".md"))
		if err != nil {
			t.Fatal(err)
		}
		names := exportedNames(t, library.pkg, library.more)
		if len(names) < 3 {
			t.Errorf("%s has only the names %q", library.pkg, names)
		}
		for _, name := range names {
			if !regexp.MustCompile(`\b` + name + `\b`).Match(page) {
				t.Errorf("docs/migrating/%s.md does not say what to write for %s of %s", library.page, name, library.pkg)
			}
		}
	}
}

// exportedNames returns the exported functions, variables and constants of a
// package, and the exported methods and fields of its exported types and of more.
func exportedNames(t *testing.T, pkg, more string) (names []string) {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{range .GoFiles}}{{$.Dir}}/{{.}}{{"\n"}}{{end}}`, pkg).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range strings.Fields(string(out)) {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			for _, id := range declared(d, more) {
				if id.IsExported() {
					names = append(names, id.Name)
				}
			}
		}
	}
	return names
}

// declared returns the names that d declares, those of methods and fields only if
// their type is exported or is called more.
func declared(d ast.Decl, more string) (names []*ast.Ident) {
	used := func(id *ast.Ident) bool { return id != nil && (id.IsExported() || id.Name == more) }
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil || used(receiver(d)) {
			names = append(names, d.Name)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				names = append(names, spec.Names...)
			case *ast.TypeSpec:
				if s, ok := spec.Type.(*ast.StructType); ok && used(spec.Name) {
					for _, field := range s.Fields.List {
						names = append(names, field.Names...)
					}
				}
			}
		}
	}
	return names
}

// receiver returns the name of the type that a method belongs to.
func receiver(d *ast.FuncDecl) *ast.Ident {
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	id, _ := typ.(*ast.Ident)
	return id
}
