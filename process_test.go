//go:build linux

package restart

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
	"example.com/restart/internal/spawn"
)

// Point 1 of the issue: a new binary is copied over the old one, SIGHUP, the
// new code answers, and the old process finishes what it had begun.
func TestReplacedBinary(t *testing.T) {
	s := serve(t, config{})
	version, generation, old := s.who()
	if version != "v1" || generation != 1 {
		t.Errorf("got %s, generation %d", version, generation)
	}
	stop := s.load()
	slow := s.dial()
	if got, want := slow.ask("hold"), fmt.Sprint("held ", old); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	s.install("v2")
	s.Signal(old, syscall.SIGHUP)
	s.replaced(old)
	version, generation, pid := s.who()
	if version != "v2" || generation != 2 || pid == old {
		t.Errorf("got %s, generation %d, pid %d", version, generation, pid)
	}
	slow.release(old)
	s.exited(old)
	stop()
	s.stop()
}

// Point 2: ten in a row, a slow request in flight in each.
func TestTenRestartsInARow(t *testing.T) {
	t.Parallel()
	s := serve(t, config{})
	stop := s.load()
	var slow []*client
	var pids []int
	for range 10 {
		c := s.dial()
		var pid int
		fmt.Sscanf(c.ask("hold"), "held %d", &pid)
		slow, pids = append(slow, c), append(pids, pid)
		s.replace()
	}
	var got []int
	for i, e := range s.status().Draining {
		got = append(got, e.PID)
		if e.Generation != i+1 || e.Since.IsZero() {
			t.Errorf("got %+v, want generation %d and since when", e, i+1)
		}
	}
	if want := pids; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("draining: got %v, want %v", got, want)
	}
	for i, c := range slow {
		if got, want := c.ask("release"), fmt.Sprint("done ", pids[i]); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		c.Close()
		s.exited(pids[i])
	}
	if got := s.status().Draining; len(got) != 0 {
		t.Errorf("draining: got %v after they have ended", got)
	}
	stop()
	s.stop()
}

// taken returns an address that is in use.
func taken(t *testing.T) string {
	t.Helper()
	o := newOldProcess(t)
	return o.address()
}

// Point 3: a successor that starts slowly. For one that fails see internal/faulttest.
func TestSlowStart(t *testing.T) {
	s := serve(t, config{})
	gate := filepath.Join(s.dir, "gate")
	if err := syscall.Mkfifo(gate, 0o600); err != nil {
		t.Fatal(err)
	}
	s.configure(func(c *config) { c.Gate = gate })
	old := s.pid()
	stop := s.load()
	s.Signal(old, syscall.SIGHUP)
	s.Wait(1, "waiting")
	for range 20 {
		if got := s.pid(); got != old {
			t.Errorf("process %d answered, want %d", got, old)
		}
	}
	if err := os.WriteFile(gate, nil, 0); err != nil {
		t.Fatal(err)
	}
	s.replaced(old)
	if pid := s.serving(2); s.pid() != pid {
		t.Error("the new process does not answer")
	}
	s.exited(old)
	s.configure(func(c *config) { c.Gate = "" })
	stop()
	s.stop()
}

// Point 4. Every way to start a process in the standard library switches the
// shared socket to blocking mode; then Accept and Close hang.
func TestListenerStaysNonBlockingAfterFailedRestart(t *testing.T) {
	s := serve(t, config{Bad: true})
	for range 3 {
		if got := s.restart(); !strings.Contains(got, "exit status 3") {
			t.Fatal(got)
		}
		if got, want := s.ask("nonblocking"), "true"; got != want {
			t.Fatalf("got non-blocking %s, want %s", got, want)
		}
	}
	s.stop() // Close returns, or the guard of WaitEnd fails
}

// Point 5: a process that the server starts for its own ends.
func TestGrandchildInheritsNothing(t *testing.T) {
	s := serve(t, config{})
	s.replace()
	s.replace()
	proctest.Use("grandchild")
	got := s.ask("grandchild")
	if !strings.Contains(got, "variable=false") {
		t.Errorf("got %s, want no %s", got, spawn.ChannelVar)
	}
	if strings.Contains(got, "socket:") {
		t.Errorf("got %s, want no socket", got)
	}
	s.stop()
}

// A state that changes while the successor starts and the old process drains
// arrives completely: what was counted is counted.
func TestLastStateLosesNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, config{Count: true})
	var counted atomic.Int64
	quit := make(chan struct{})
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for range 100_000 {
				select {
				case <-quit:
					return
				default:
				}
				c, err := net.DialTimeout("tcp", s.addr, patience)
				if err != nil {
					t.Error(err)
					return
				}
				c.SetDeadline(time.Now().Add(proctest.Patience))
				if _, err := (&client{Conn: c, lines: bufio.NewReader(c)}).try("count"); err != nil {
					t.Error(err)
				}
				counted.Add(1)
				c.Close()
			}
		})
	}
	slow := s.dial() // counts in a process that has been replaced
	old := s.pid()
	for range 5 {
		s.replace()
	}
	slow.ask("count")
	counted.Add(1)
	slow.Close()
	s.exited(old)
	close(quit)
	wg.Wait()
	for _, pid := range s.PIDs()[:5] {
		s.exited(pid)
	}
	proctest.Poll(t, "what the last of them has left is counted", func() error {
		if got, want := s.ask("counted"), fmt.Sprint(counted.Load()); got != want {
			return fmt.Errorf("got %s counted, want %s", got, want)
		}
		return nil
	})
	s.stop()
}

// A deploy that moves a link: the process was started in the directory that the
// link names, by a relative path. The release that it came from is deleted.
func TestReleaseBehindALink(t *testing.T) {
	t.Parallel()
	s := &server{t: t, dir: t.TempDir(), cfg: config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}}}}
	s.configure(func(*config) {})
	release := func(name, version string) {
		t.Helper()
		if err := os.Mkdir(s.file(name), 0o755); err != nil {
			t.Fatal(err)
		}
		s.install(version) // as prog
		err := os.Rename(s.program(), filepath.Join(s.file(name), "prog"))
		if err == nil {
			err = os.Symlink(name, s.file("next"))
		}
		if err == nil {
			err = os.Rename(s.file("next"), s.file("current"))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	release("r1", "v1")
	cmd := exec.Command("sh", "-c", "cd current && exec ./prog")
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), configVar+"="+s.file("config.json"))
	s.Family = proctest.Start(t, "server", cmd)
	s.serving(1)
	s.addr = field(s.Wait(1, "added"), "addr")
	for i, version := range []string{"v2", "v3"} {
		release(fmt.Sprint("r", i+2), version)
		if err := os.RemoveAll(s.file(fmt.Sprint("r", i+1))); err != nil {
			t.Fatal(err)
		}
		s.replace()
		if got, _, _ := s.who(); got != version {
			t.Errorf("got %s, want %s, the release behind the link", got, version)
		}
	}
	s.stop()
}
