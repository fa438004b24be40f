//go:build linux

package restart

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// helped serves, and its successors start a process before New. That inherits
// what they have inherited, the channel among it, and ends when end is called.
func helped(t *testing.T, cfg config) (s *server, end func()) {
	t.Helper()
	s = serve(t, cfg)
	fifo := s.file("helper")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	held, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { held.Close() })
	s.configure(func(c *config) { c.Helper = fifo })
	return s, func() { held.Close() }
}

// F11: the end of the channel does not say that the successor has ended. The
// attempt went on until ReadyTimeout, and left a zombie and descriptors.
func TestSuccessorFailsWhoseHelperHasTheChannel(t *testing.T) {
	s, end := helped(t, config{ReadyTimeout: time.Hour})
	old := s.pid()
	s.configure(func(c *config) { c.Bad = true })
	s.restart() // opens what stays open
	files, _ := s.idle()
	for range 3 {
		if got := s.restart(); !strings.Contains(got, "no such plugin") || !strings.Contains(got, "exit status 3") {
			t.Fatalf("got %s, want how the successor has ended", got)
		}
	}
	if now, _ := s.idle(); now > files {
		t.Errorf("%d files are open, want no more than %d", now, files)
	}
	if got := children(t, old); got != "" {
		t.Errorf("children %s are left", got)
	}
	s.configure(func(c *config) { c.Bad = false })
	if s.replace() == old {
		t.Error("the restart after it changed nothing")
	}
	end() // what was sent to successors that did not receive it waits in their channels
	s.stop()
}

// children returns the PIDs of a process's children.
func children(t *testing.T, pid int) string {
	t.Helper()
	var all []string
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, task.Name()))
		if err != nil {
			continue // the thread has ended
		}
		all = append(all, strings.Fields(string(b))...)
	}
	return strings.Join(all, " ")
}

// The same in its probation: the restart was not undone.
func TestSuccessorDiesInItsProbationWhoseHelperHasTheChannel(t *testing.T) {
	s, end := helped(t, config{Probation: time.Hour})
	old := s.pid()
	successor := s.replace()
	s.Signal(successor, syscall.SIGKILL)
	s.WaitExit(successor)
	s.Wait(1, "restart: undone")
	if got := s.pid(); got != old {
		t.Errorf("process %d serves, want %d", got, old)
	}
	end()
	s.stop()
}

// A program may execute itself anew before New, as it does to change its limits or its
// user. The channel goes along.
func TestSuccessorExecutesItsProgramAnewBeforeNew(t *testing.T) {
	s := serve(t, config{Anew: true})
	old := s.pid()
	if s.replace() == old {
		t.Error("the restart changed nothing")
	}
	s.exited(old)
	s.stop()
}
