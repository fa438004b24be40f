//go:build linux

package spawn

import (
	"os"
	"strings"
	"syscall"
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

// A kernel before Linux 5.3 has no pidfd. Letting go of a process that lives
// must not wait for its end, and one that does not end is not gone.
func TestSpawnWithoutPidfd(t *testing.T) {
	p, _, _ := spawnShell(t, Us, "exec sleep 600")
	p.pidfd.Close()
	p.pidfd = nil
	if p.Wait(10 * time.Millisecond) {
		t.Error("a process that lives is taken for gone")
	}
	released := make(chan string, 1)
	go func() { released <- p.Release() }()
	select {
	case got := <-released:
		if got != "" {
			t.Errorf("got %q of a process that lives", got)
		}
	case <-time.After(patience):
		t.Error("release waits for a process that lives")
	}
	p.Signal(syscall.SIGKILL)
	if !p.Wait(patience) {
		t.Error("a process that was killed is not taken for gone")
	}
	if got := reap(p.pid); !strings.Contains(got, "killed") {
		t.Errorf("got %q, want killed", got)
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
