//go:build linux

package restart

import (
	"fmt"
	"testing"
)

// Hundred restarts in a row: no generation has more open than the one before.
func TestHundredRestartsGrowNothing(t *testing.T) {
	t.Parallel()
	s := serve(t, config{Listeners: []listenerConfig{{"web", "tcp", "127.0.0.1:0"}, {"b", "tcp", "127.0.0.1:0"}, {"u", "unix", t.TempDir() + "/u"}}})
	s.replace()
	files, goroutines := s.idle()
	for range 100 {
		old := s.pid()
		s.replace()
		s.exited(old)
	}
	if f, g := s.idle(); f > files || g > goroutines {
		t.Errorf("got %d files and %d goroutines, want no more than %d and %d as in the second generation", f, g, files, goroutines)
	}
	s.stop()
}

// idle returns what the serving process has open when it does nothing else
// than answer: connections that were answered may take a moment to be closed,
// so it is the least of many answers.
func (s *server) idle() (files, goroutines int) {
	s.t.Helper()
	files, goroutines = 1<<20, 1<<20
	for range 50 {
		var f, g int
		if n, err := fmt.Sscanf(s.ask("load"), "files=%d goroutines=%d", &f, &g); n != 2 {
			s.t.Fatal(err)
		}
		files, goroutines = min(files, f), min(goroutines, g)
	}
	return files, goroutines
}
