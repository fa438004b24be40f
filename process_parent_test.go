//go:build linux

package restart

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

func TestSibling(t *testing.T) {
	s := serve(t, config{Sibling: true})
	old := s.pid()
	pid := s.replace()
	if got := parentOf(t, pid); got != os.Getpid() {
		t.Errorf("got parent %d, want %d, not %d", got, os.Getpid(), old)
	}
	s.exited(old)
	s.configure(func(c *config) { c.Fault = "exit" })
	if got := s.restart(); !strings.Contains(got, "no such plugin") {
		t.Errorf("got %s", got)
	}
	s.configure(func(c *config) { c.Fault = "" })
	if s.replace() == pid {
		t.Error("the restart after it changed nothing")
	}
	s.stop()
}

func parentOf(t *testing.T, pid int) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	var parent int
	_, rest, _ := strings.Cut(string(b), ") ")
	fmt.Sscanf(rest[2:], "%d", &parent)
	return parent
}

func TestWrapper(t *testing.T) {
	for name, wrap := range map[string]string{
		"exec":    `exec "$@"`,
		"no exec": `"$@"; status=$?; echo wrapped >&2; exit $status`,
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, config{Wrap: wrap})
			stop := s.load()
			for range 3 {
				s.replace()
			}
			s.configure(func(c *config) { c.Fault = "exit" })
			if got := s.restart(); !strings.Contains(got, "no such plugin") || !strings.Contains(got, "exit status 3") {
				t.Errorf("got %s", got)
			}
			stop()
			s.stop()
		})
	}
}
