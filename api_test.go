package restart_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/build"
	"go/doc"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the files below testdata/api anew")

// The exported names are a promise. A change of them must be seen: it shows as a
// change of a file in testdata/api, which go test -run ExportedAPI -update writes.
func TestExportedAPI(t *testing.T) {
	for name, dir := range map[string]string{
		"restart":     ".",
		"http":        "http",
		"tcp":         "tcp",
		"control":     "control",
		"servicetest": "servicetest",
		"restarttest": "restarttest",
		"grpcadapter": "grpcadapter",
		"metrics":     "metrics",
	} {
		got := exported(t, dir)
		if len(got) < 2 {
			t.Errorf("%s: found only %q", dir, got)
		}
		golden := filepath.Join("testdata", "api", name+".txt")
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), got); d != "" {
			t.Errorf("package %s: the exported names have changed; if that was meant, run go test -run ExportedAPI -update (-want +got):\n%s", dir, d)
		}
	}
}

// documentation returns the documentation of the package in dir, as built on Linux.
func documentation(t *testing.T, dir string) (*doc.Package, *token.FileSet) {
	t.Helper()
	linux := build.Default
	linux.GOOS, linux.GOARCH = "linux", "amd64"
	fset := token.NewFileSet()
	var files []*ast.File
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if ok, err := linux.MatchFile(filepath.Split(path)); err != nil || !ok || strings.HasSuffix(path, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "example.com/restart/"+dir)
	if err != nil {
		t.Fatal(err)
	}
	return p, fset
}

// exported lists the exported names of the package in dir with their types, one
// a line.
func exported(t *testing.T, dir string) string {
	t.Helper()
	p, fset := documentation(t, dir)
	var lines []string
	add := func(format string, args ...any) {
		lines = append(lines, strings.Join(strings.Fields(fmt.Sprintf(format, args...)), " "))
	}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			for _, name := range v.Names {
				if ast.IsExported(name) {
					add("%v %s", v.Decl.Tok, name)
				}
			}
		}
	}
	funcs := func(fs []*doc.Func) {
		for _, f := range fs {
			f.Decl.Doc, f.Decl.Body = nil, nil
			add("%s", source(t, fset, f.Decl))
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs(p.Funcs)
	for _, typ := range p.Types {
		spec := typ.Decl.Specs[0].(*ast.TypeSpec)
		switch u := spec.Type.(type) {
		case *ast.StructType:
			add("type %s struct", typ.Name)
			for _, field := range u.Fields.List {
				for _, name := range field.Names {
					if name.IsExported() {
						add("field %s.%s %s", typ.Name, name, source(t, fset, field.Type))
					}
				}
				if len(field.Names) == 0 {
					add("embedded %s.%s", typ.Name, source(t, fset, field.Type))
				}
			}
		case *ast.InterfaceType:
			add("type %s interface", typ.Name)
			for _, m := range u.Methods.List {
				for _, name := range m.Names {
					add("method %s.%s%s", typ.Name, name, strings.TrimPrefix(source(t, fset, m.Type), "func"))
				}
				if len(m.Names) == 0 {
					add("embedded %s.%s", typ.Name, source(t, fset, m.Type))
				}
			}
		default:
			add("type %s %s", typ.Name, source(t, fset, spec.Type))
		}
		values(typ.Consts)
		values(typ.Vars)
		funcs(typ.Funcs)
		funcs(typ.Methods)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

func source(t *testing.T, fset *token.FileSet, node any) string {
	t.Helper()
	var b bytes.Buffer
	if err := printer.Fprint(&b, fset, node); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
