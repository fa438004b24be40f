package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/restart/storm/compare"
)

func TestChoose(t *testing.T) {
	all := []compare.Contestant{{Name: "a"}, {Name: "b"}, {Name: "c d"}}
	for only, want := range map[string]string{"": "a b c d", "none": "", "b": "b", "c d,a": "c d a"} {
		got, err := choose(all, only)
		var names []string
		for _, c := range got {
			names = append(names, c.Name)
		}
		if err != nil || strings.Join(names, " ") != want {
			t.Errorf("%q: got %q, %v, want %q", only, names, err, want)
		}
	}
	if _, err := choose(all, "a,x"); err == nil {
		t.Error("an unknown name was accepted")
	}
}

// A picture can be drawn again without another run.
func TestCompareFromFile(t *testing.T) {
	dir := t.TempDir()
	file, picture := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.svg")
	const saved = `[{"name":"ours","report":{"load_seconds":1,"kept_connections":2,"survived_connections":2}},{"name":"theirs","error":"skipped: why"}]`
	if err := os.WriteFile(file, []byte(saved), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if got := Compare(t.Context(), "compare", nil, []string{"-from", file, "-plot", picture}, &out, &errs); got != exitGood {
		t.Fatalf("exit status %d: %s", got, errs.String())
	}
	if !strings.Contains(out.String(), "ours") || !strings.Contains(out.String(), "skipped: why") {
		t.Errorf("the table lacks a server:\n%s", out.String())
	}
	if b, err := os.ReadFile(picture); err != nil || !strings.Contains(string(b), ">theirs<") {
		t.Errorf("the picture lacks a server: %v", err)
	}
}

func TestCompareRefuses(t *testing.T) {
	for _, args := range [][]string{{}, {"-server", "x"}, {"-server", "a=b", "c"}, {"-server", "a=b", "-plot", "x.gif"}, {"-from", "/no/such/file"}} {
		var out, errs bytes.Buffer
		if got := Compare(t.Context(), "compare", nil, args, &out, &errs); got != exitFailed || !strings.HasPrefix(errs.String(), "storm: ") {
			t.Errorf("%q: exit status %d and %q, want %d and an error", args, got, errs.String(), exitFailed)
		}
	}
}
