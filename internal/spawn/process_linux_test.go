//go:build !restart_portable

package spawn

import (
	"strings"
	"syscall"
	"testing"
	"time"
)

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
