package packagesvg

import (
	"bytes"
	"flag"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write docs/packages.svg")

// The picture in docs shows the packages that there are.
func TestPictureIsCurrent(t *testing.T) {
	g, err := list()
	if err != nil {
		t.Fatal(err)
	}
	if len(g) < 20 || !g["http"]["restart"] || g["internal/systemdtest"] != nil {
		t.Fatalf("got packages %v", g)
	}
	const file = "../../docs/packages.svg"
	want := draw(g)
	if *update {
		if err := os.WriteFile(file, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("docs/packages.svg is not that of these packages: go test ./internal/packagesvg -update")
	}
}

// Arrows that follow from others are left out, however long the way is.
func TestReduced(t *testing.T) {
	g := graph{"a": {"b": true, "c": true, "d": true}, "b": {"c": true}, "c": {"d": true}, "d": {}}
	got := g.reduced()
	for from, n := range map[string]int{"a": 1, "b": 1, "c": 1, "d": 0} {
		if len(got[from]) != n {
			t.Errorf("%s: got %v, want %d arrows", from, got[from], n)
		}
	}
}

// Nodes of a row stand beside each other.
func TestFit(t *testing.T) {
	row := []*node{{width: 10}, {width: 20}, {width: 10}}
	fit(row, func(*node) float64 { return 5 })
	for i := 1; i < len(row); i++ {
		if d := row[i].x - row[i-1].x; d != 15+gap {
			t.Errorf("got distance %v, want %v", d, 15+gap)
		}
	}
	if row[1].x != 5 {
		t.Errorf("got %v, want the middle one where all wish to be", row[1].x)
	}
}
