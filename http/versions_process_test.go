//go:build linux && !restart_portable

package restarthttp_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// earlier is the commit of the version that programs are mixed with.
const earlier = "d730de3"

// Programs built with an earlier version of the library and with this one
// replace each other, in both directions: no request is lost, and idle
// connections and sessions move.
func TestVersionsReplaceEachOther(t *testing.T) {
	dir := t.TempDir()
	binary := map[string]string{
		"now":   build(t, "now", filepath.Join(dir, "now"), "."),
		"early": build(t, "early", filepath.Join(dir, "early"), checkout(t, earlier, filepath.Join(dir, "tree"))),
	}
	program := filepath.Join(dir, "server")
	install := func(version string) {
		t.Helper()
		os.Remove(program + ".new")
		if err := os.Link(binary[version], program+".new"); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(program+".new", program); err != nil {
			t.Fatal(err)
		}
	}
	install("early")
	f := proctest.Start(t, "versions", exec.Command(program))
	g := f.Serving(1, 2)
	l := startLoad(t, 8, func(int) func() error { return dial(t, g.Addr["web"]).postAndStay })
	idle, lines := dial(t, g.Addr["web"]), dial(t, g.Addr["count"])
	idle.mustPost(t)
	for i, version := range []string{"now", "early", "early", "now", "now", "early"} {
		install(version)
		g = replace(f, g)
		if got, want := idle.mustPost(t), fmt.Sprint(version, " ", g.PID); got != want {
			t.Errorf("restart %d: got %q, want %q", i+1, got, want)
		}
		if got, want := line(t, lines), fmt.Sprint(version, " ", i+1); got != want {
			t.Errorf("restart %d, session: got %q, want %q", i+1, got, want)
		}
	}
	l.end()
	lines.Close()
	f.Signal(g.PID, syscall.SIGTERM)
	f.WaitEnd()
}

// line sends a line and returns the answer.
func line(t *testing.T, c *raw) string {
	t.Helper()
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := fmt.Fprintln(c, "."); err != nil {
		t.Fatal(err)
	}
	answer, err := c.br.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(answer)
}

// checkout writes the files of a commit to dir, and testdata/versions with them.
// It returns the folder of this package there.
func checkout(t *testing.T, commit, dir string) string {
	t.Helper()
	archive := exec.Command("git", "archive", "--format=tar", commit)
	archive.Dir = ".." // of the repository, not of this folder alone
	files, err := archive.Output()
	if err != nil {
		t.Skipf("this needs a git clone with its whole history: git archive %s: %v", commit, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	extract := exec.Command("tar", "-x", "-C", dir)
	extract.Stdin = bytes.NewReader(files)
	if out, err := extract.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v\n%s", err, out)
	}
	source, err := os.ReadFile("testdata/versions/main.go")
	if err != nil {
		t.Fatal(err)
	}
	// A fork may have renamed the module since.
	source = bytes.ReplaceAll(source, module(t, "../go.mod"), module(t, filepath.Join(dir, "go.mod")))
	pkg := filepath.Join(dir, "http")
	program := filepath.Join(pkg, "testdata", "versions")
	if err := os.MkdirAll(program, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(program, "main.go"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	return pkg
}

// module returns the path that a go.mod names.
func module(t *testing.T, file string) []byte {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	first, _, _ := bytes.Cut(b, []byte("\n"))
	return bytes.TrimPrefix(first, []byte("module "))
}

// build builds testdata/versions in a folder of package http.
func build(t *testing.T, version, out, pkg string) string {
	t.Helper()
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags=-X main.version="+version, "-o", out, "./testdata/versions")
	cmd.Dir = pkg
	cmd.Env = append(os.Environ(), "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return out
}
