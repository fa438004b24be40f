package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"example.com/restart/examples/measure/internal/reexec"
)

// The test binary is the server too, as the program is.
func TestMain(m *testing.M) {
	reexec.Serve(serve)
	// A race detector waits a second at the end of each process.
	os.Setenv("GORACE", "atexit_sleep_ms=0")
	os.Exit(m.Run())
}

// Each bad release twice, or as often as PROBATIONS says.
func TestRun(t *testing.T) {
	times := 2
	if v := os.Getenv("PROBATIONS"); v != "" {
		var err error
		if times, err = strconv.Atoi(v); err != nil {
			t.Fatal(err)
		}
	}
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("<!-- probation: begin -->\n<!-- probation: end -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(t.Context(), times, page); err != nil {
		t.Error(err)
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if want := "| gives back | " + strconv.Itoa(times) + " | "; !strings.Contains(string(b), want) {
		t.Errorf("the page lacks %q:\n%s", want, b)
	}
	t.Logf("\n%s", b)
}

// What was lost beyond what a bad process had must be found.
func TestCheck(t *testing.T) {
	good := result{requests: 100, lost: 3, kept: 5, survived: 5, accepted: 7, closed: 4}
	if err := good.check(badRelease{name: "crash"}); err != nil {
		t.Errorf("got %v", err)
	}
	for name, spoil := range map[string]func(*result){
		"one more lost":     func(r *result) { r.lost++ },
		"one connection":    func(r *result) { r.survived-- },
		"nothing accepted":  func(r *result) { r.lost, r.accepted, r.closed = 0, 0, 0 },
		"nothing connected": func(r *result) { r.kept, r.survived = 0, 0 },
	} {
		r := good
		spoil(&r)
		if err := r.check(badRelease{name: "crash"}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	if err := good.check(badRelease{name: "undo"}); err == nil {
		t.Error("lost by a process that gives back: got no error")
	}
}
