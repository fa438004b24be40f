package compare

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/restart/storm/report"
)

func TestPlotHasEachContestant(t *testing.T) {
	run := func(lost int64) *report.Report {
		return &report.Report{
			Kept: 10, Survived: 3, Lost: lost, LoadSeconds: 2,
			Timeline: []report.Moment{{At: 1, Surviving: 10}, {At: 2, Surviving: 3, Lost: lost}},
			Restarts: []report.Restart{{Number: 1, At: 1.5, OldPID: 1, NewPID: 2}},
		}
	}
	results := []Result{
		{Name: "first", Report: run(0)},
		{Name: "second", Report: run(5)},
		{Name: "third", Err: errors.New("skipped: third is not installed\nlog")},
	}
	for _, ext := range []string{".svg", ".png"} {
		path := filepath.Join(t.TempDir(), "picture"+ext)
		if err := Plot(path, results); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(path)
		if err != nil || len(b) < 3000 {
			t.Errorf("%s: %d bytes, %v, want a picture", ext, len(b), err)
		}
		if ext == ".png" {
			continue
		}
		for _, want := range []string{">first<", ">second<", ">third<", ">0 lost<", ">5 lost<", ">3 of 10 alive<", ">skipped: third is not installed<", "sans-serif"} {
			if !strings.Contains(string(b), want) {
				t.Errorf("the picture lacks %q", want)
			}
		}
	}
	if err := Plot(filepath.Join(t.TempDir(), "x.png"), results[2:]); err == nil {
		t.Error("a picture of nothing was drawn")
	}
}

func TestLastEvent(t *testing.T) {
	quiet := []report.Moment{{At: 1, Surviving: 10}, {At: 2, Surviving: 10}, {At: 60, Surviving: 10}}
	for name, tt := range map[string]struct {
		report report.Report
		want   float64
	}{
		"nothing":    {report.Report{Kept: 10, Timeline: quiet}, 0},
		"restart":    {report.Report{Kept: 10, Timeline: quiet, Restarts: []report.Restart{{At: 1.5}, {At: 3.5}}}, 3.5},
		"loss":       {report.Report{Kept: 10, Timeline: []report.Moment{{At: 1, Surviving: 10, Lost: 1}, {At: 2, Surviving: 10}}}, 1},
		"connection": {report.Report{Kept: 10, Timeline: []report.Moment{{At: 1, Surviving: 10}, {At: 2, Surviving: 9}, {At: 3, Surviving: 9}}}, 2},
	} {
		if got := lastEvent(&tt.report); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
	}
}

func TestWrap(t *testing.T) {
	for name, want := range map[string]string{
		"nginx":                          "nginx",
		"haproxy idle-close-on-response": "haproxy|idle-close-|on-response",
		"averylongnamethatcannotbreak x": "averylongnamethatcannotbreak|x",
		"a b c d e f g h":                "a b c d e f|g h",
	} {
		got := strings.Join(wrap(name, func(s string) bool { return len(s) <= 12 }), "|")
		if got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
