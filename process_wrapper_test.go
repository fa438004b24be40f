//go:build linux

package restart

import (
	"strings"
	"testing"
)

// A script may start the program.
func TestWrapper(t *testing.T) { testWrapper(t, `exec "$@"`) }

func testWrapper(t *testing.T, wrap string) {
	s := serve(t, config{Wrap: wrap})
	stop := s.load()
	for range 3 {
		s.replace()
	}
	s.configure(func(c *config) { c.Bad = true })
	if got := s.restart(); !strings.Contains(got, "no such plugin") || !strings.Contains(got, "exit status 3") {
		t.Errorf("got %s", got)
	}
	stop()
	s.stop()
}
