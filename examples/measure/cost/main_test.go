package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
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

func TestMeasure(t *testing.T) {
	r, err := measure(t.Context(), 3, 5, 2)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.serves) != 2 || len(r.ends) != 2 || r.cold <= 0 || r.alive != 5 {
		t.Errorf("got %+v, want two restarts and 5 connections alive", r)
	}
	for i := range r.serves {
		if r.serves[i] <= 0 || r.ends[i] <= r.serves[i] {
			t.Errorf("got %+v, want times until a process serves, and longer ones until the other has ended", r)
		}
	}
}

func TestRunWritesTablesAndPicture(t *testing.T) {
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "page.md"), filepath.Join(dir, "cost.svg")
	if err := os.WriteFile(page, []byte("<!-- cost: begin -->\n<!-- cost: end -->\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), "1,2", "1,3", 1, page, picture); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n| 2 | ", "\n| 3 | ", " 3 of 3 |\n"} {
		if !bytes.Contains(b, []byte(want)) {
			t.Errorf("the page lacks %q:\n%s", want, b)
		}
	}
	if fi, err := os.Stat(picture); err != nil || fi.Size() == 0 {
		t.Errorf("no picture: %v", err)
	}
	if err := run(context.Background(), "0", "1", 1, "", ""); err == nil {
		t.Error("a server without listeners was measured")
	}
}
