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
	all := []string{"a", "b", "c d"}
	self := func(s string) string { return s }
	for only, want := range map[string]string{"": "a|b|c d", "none": "", "b": "b", "c d,a": "c d|a"} {
		got, err := choose(all, only, self)
		if err != nil || strings.Join(got, "|") != want {
			t.Errorf("%q: got %q, %v, want %q", only, got, err, want)
		}
	}
	if _, err := choose(all, "a,x", self); err == nil {
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

// -only chooses from the servers of the file, whoever is built in.
func TestCompareFromFileOnly(t *testing.T) {
	file := filepath.Join(t.TempDir(), "in.json")
	if err := os.WriteFile(file, []byte(`[{"name":"ours","error":"skipped: one"},{"name":"theirs","error":"skipped: two"}]`), 0o644); err != nil {
		t.Fatal(err)
	}
	builtIn := []compare.Contestant{{Name: "theirs"}}
	var out, errs bytes.Buffer
	if got := Compare(t.Context(), "compare", builtIn, []string{"-from", file, "-only", "ours"}, &out, &errs); got != exitGood {
		t.Fatalf("exit status %d: %s", got, errs.String())
	}
	if !strings.Contains(out.String(), "skipped: one") || strings.Contains(out.String(), "skipped: two") {
		t.Errorf("got a table of others than ours:\n%s", out.String())
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
