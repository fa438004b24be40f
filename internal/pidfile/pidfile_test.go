package pidfile

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestWriteAndRemove(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	if err := Write(path); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if got, want := string(b), strconv.Itoa(os.Getpid())+"\n"; got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm()&0o444 != 0o444 {
		t.Errorf("got %v, %v; want a file that all can read", fi, err)
	} else if fi.Mode().Perm()&0o133 != 0 {
		t.Errorf("got %v, want a file that only its owner can write, and no program", fi.Mode())
	}
	if !Ours(path) {
		t.Error("the file is not ours")
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("got %v, %v; want no other file left", entries, err)
	}
	if err := Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("the file is still there")
	}
	if err := Remove(path); err != nil {
		t.Errorf("got %v for a file that is gone, want nil", err)
	}
}

func TestFileOfAnotherStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	for _, content := range []string{"1\n", "", "no number", strconv.Itoa(os.Getpid()) + "0"} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if Ours(path) {
			t.Errorf("%q: taken for ours", content)
		}
		if err := Remove(path); err != nil {
			t.Error(err)
		}
		if b, err := os.ReadFile(path); string(b) != content || err != nil {
			t.Errorf("got %q, %v; want %q untouched", b, err, content)
		}
	}
}

func TestFileThatCannotBeWritten(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		filepath.Join(dir, "missing", "x.pid"),
		filepath.Join(file, "x.pid"), // not a directory
		"/proc/x.pid",                // nobody can write there
		dir,                          // a directory itself
	} {
		err := Write(path)
		if err == nil || !strings.Contains(err.Error(), "PID file") {
			t.Errorf("%s: got %v, want an error", path, err)
		}
	}
	if err := Write(""); err != nil {
		t.Errorf("got %v for no file, want nil", err)
	}
}

// Two programs with one PID file take it from each other; a stale one is
// nothing to talk about.
func TestRival(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.pid")
	for content, want := range map[string]int{
		"":                                0,
		"no number":                       0,
		"0":                               0,
		strconv.Itoa(os.Getpid()):         0,
		strconv.Itoa(os.Getppid()) + "\n": os.Getppid(),
		"2147483647":                      0, // nobody has that
	} {
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Rival(path); got != want {
			t.Errorf("%q: got %d, want %d", content, got, want)
		}
	}
	if got := Rival(path + ".none"); got != 0 {
		t.Errorf("no file: got %d, want 0", got)
	}
}
