//go:build linux

package exampletest

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseReadme(t *testing.T) {
	const text = "# Title\n$ not this\n```console\n$ one \\\n  two\nout\nput\n$ silent\n```\n```sh\n$ nor this\n```\n"
	var got []string
	for _, s := range parseReadme(text) {
		got = append(got, s.command, s.output)
	}
	want := []string{"one \\\n  two", "out\nput\n", "silent", ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}

func TestPattern(t *testing.T) {
	for _, tt := range []struct {
		want, got string
		matches   bool
	}{
		{"", "", true},
		{"", "something", false},
		{"version=1 pid=4711", "version=1 pid=99", true},
		{"version=1 pid=4711", "version=2 pid=99", false},
		{"version=1 pid=4711", "version=1 pid=", false},
		{"a.b", "axb", false},
		{"first\n...\nlast", "first\nx\ny\nlast", true},
		{"first\n...\nlast", "first\nx\ny", false},
	} {
		if got := pattern(tt.want).MatchString(tt.got); got != tt.matches {
			t.Errorf("%q against %q: got %v, want %v", tt.got, tt.want, got, tt.matches)
		}
	}
}
