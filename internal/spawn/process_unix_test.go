//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package spawn

import (
	"io"
	"os"
	"testing"
	"time"

	"example.com/restart/internal/channel"
)

const patience = 15 * time.Second // a guard against hanging, never a measure

// spawnShell starts a real process that runs a shell command.
func spawnShell(t *testing.T, parent Parent, command string) (*unixProcess, *channel.Conn, *Tail) {
	t.Helper()
	ours, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	defer theirs.Close()
	tl := new(Tail)
	p, err := Start(Command{Path: "/bin/sh", Args: []string{"sh", "-c", command}, Env: os.Environ()}, parent, theirs, tl, func(_, _ *os.File) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return p.(*unixProcess), ours, tl
}

func TestSpawnTellsHowAProcessEnds(t *testing.T) {
	p, _, tl := spawnShell(t, Us, "echo on the way >&2; exit 5")
	if !p.Wait(patience) {
		t.Fatal("it does not end")
	}
	if got, want := p.Release(), "exit status 5"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := tl.String(), "on the way\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What was written before the end is all there, however late it is read.
func TestSpawnKeepsTheLastWords(t *testing.T) {
	for range 20 {
		p, _, tl := spawnShell(t, Us, `i=0; while [ $i -lt 200 ]; do echo "line $i of the last words" >&2; i=$((i+1)); done; exit 1`)
		if !p.Wait(patience) {
			t.Fatal("it does not end")
		}
		p.Release()
		if got, want := LastWords(tl.String(), 1), "line 199 of the last words"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

// They are all there even if nobody had the time to read them before the copying was
// stopped.
func TestSpawnKeepsTheLastWordsThatAreReadLate(t *testing.T) {
	stderr := os.Stderr
	defer func() { os.Stderr = stderr }()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	os.Stderr = w
	if _, err := w.Write(make([]byte, 64<<10)); err != nil { // it is full: the copying waits
		t.Fatal(err)
	}
	p, _, tl := spawnShell(t, Us, `i=0; while [ $i -lt 500 ]; do echo "line $i of the last words" >&2; i=$((i+1)); done; exit 1`)
	if !p.Wait(patience) {
		t.Fatal("it does not end")
	}
	p.pipe.SetReadDeadline(time.Unix(1, 0)) // as StopStderr does
	go io.Copy(io.Discard, r)
	p.Release()
	w.Close()
	if got, want := LastWords(tl.String(), 1), "line 499 of the last words"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
