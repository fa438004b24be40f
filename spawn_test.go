//go:build linux

package restart

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
)

// spawnShell starts a real process that runs a shell command.
func spawnShell(t *testing.T, parent parentage, command string) (*unixProcess, *channel.Conn, *tail) {
	t.Helper()
	ours, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ours.Close() })
	defer theirs.Close()
	tl := new(tail)
	p, err := spawner(parent)(Command{Path: "/bin/sh", Args: []string{"sh", "-c", command}, Env: os.Environ()}, theirs, tl, func(_, _ *os.File) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	return p.(*unixProcess), ours, tl
}

func TestSpawnTellsHowAProcessEnds(t *testing.T) {
	p, _, tl := spawnShell(t, ourChild, "echo on the way >&2; exit 5")
	if !p.wait(patience) {
		t.Fatal("it does not end")
	}
	if got, want := p.release(), "exit status 5"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got, want := tl.String(), "on the way\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A kernel before Linux 5.3 has no pidfd. Letting go of a process that lives
// must not wait for its end, and one that does not end is not gone.
func TestSpawnWithoutPidfd(t *testing.T) {
	p, _, _ := spawnShell(t, ourChild, "exec sleep 600")
	p.pidfd.Close()
	p.pidfd = nil
	if p.wait(10 * time.Millisecond) {
		t.Error("a process that lives is taken for gone")
	}
	released := make(chan string, 1)
	go func() { released <- p.release() }()
	select {
	case got := <-released:
		if got != "" {
			t.Errorf("got %q of a process that lives", got)
		}
	case <-time.After(patience):
		t.Error("release waits for a process that lives")
	}
	p.signal(syscall.SIGKILL)
	if !p.wait(patience) {
		t.Error("a process that was killed is not taken for gone")
	}
	if got := reap(p.id); !strings.Contains(got, "killed") {
		t.Errorf("got %q, want killed", got)
	}
}

// What was written before the end is all there, however late it is read.
func TestSpawnKeepsTheLastWords(t *testing.T) {
	for range 20 {
		p, _, tl := spawnShell(t, ourChild, `i=0; while [ $i -lt 200 ]; do echo "line $i of the last words" >&2; i=$((i+1)); done; exit 1`)
		if !p.wait(patience) {
			t.Fatal("it does not end")
		}
		p.release()
		if got, want := lastWords(tl.String(), 1), "line 199 of the last words"; got != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	tl := new(tail)
	for range 10 {
		tl.add([]byte(strings.Repeat("x", tailSize/3)))
	}
	tl.add([]byte("end"))
	if got := tl.String(); len(got) != tailSize || !strings.HasSuffix(got, "xend") {
		t.Errorf("got %d bytes that end with %q", len(got), got[max(0, len(got)-10):])
	}
}
