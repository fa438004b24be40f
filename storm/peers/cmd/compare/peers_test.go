package main

import (
	"strings"
	"testing"

	"example.com/restart/storm/compare"
	"example.com/restart/storm/report"
)

// A peer with a longer name would push the columns of its row to the right.
func TestPeersFitTheTable(t *testing.T) {
	for _, c := range peers(nil) {
		var b strings.Builder
		if err := compare.WriteTable(&b, []compare.Result{{Name: c.Name, Report: &report.Report{}}}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(b.String(), "\n")[1:]
		if got, want := len(lines[1]), len(lines[0]); got != want {
			t.Errorf("%s: got %d columns, want %d", c.Name, got, want)
		}
	}
}

// -only and the picture tell peers apart by name.
func TestPeersHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range peers(nil) {
		if seen[c.Name] || c.Name == "none" || strings.Contains(c.Name, ",") {
			t.Errorf("%q cannot be chosen by -only", c.Name)
		}
		seen[c.Name] = true
	}
}
