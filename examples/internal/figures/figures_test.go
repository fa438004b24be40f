package figures

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestInsert(t *testing.T) {
	path := filepath.Join(t.TempDir(), "page.md")
	const page = "# Page\n<!-- a: begin -->\nold\n<!-- a: end -->\ntail\n"
	if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Insert(path, "a", Table([][]string{{"x", "y"}, {"1", "2"}})); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := "# Page\n<!-- a: begin -->\n| x | y |\n|---|---|\n| 1 | 2 |\n<!-- a: end -->\ntail\n"
	if string(got) != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if err := Insert(path, "b", ""); err == nil {
		t.Error("a page without the marks was changed")
	}
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Short(1.234), "1.23"},
		{Short(12.34), "12.3"},
		{Short(1234.5), "1234"},
		{Count(7), "7"},
		{Count(999), "999"},
		{Count(1000), "1,000"},
		{Count(1234567), "1,234,567"},
		{Short(Median([]float64{3, 1, 2})), "2.00"},
		{Short(Median([]float64{4, 1, 2, 3})), "2.50"},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
}

func TestPlot(t *testing.T) {
	path := filepath.Join(t.TempDir(), "chart.svg")
	line := Line{"until it serves", []Point{{1, 8}, {10, 9}, {1000, 60}}}
	if err := Plot(path, Chart{"first", "listeners", []Line{line}}, Chart{"second", "connections", []Line{line, line}}); err != nil {
		t.Fatal(err)
	}
	svg, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{">first<", ">second<", ">until it serves<", ">1,000<", "sans-serif"} {
		if !strings.Contains(string(svg), want) {
			t.Errorf("the picture lacks %q", want)
		}
	}
}
