//go:build linux

package restart

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// Nothing that services and handlers ignore keeps a process: the hammer ends it,
// whoever swings it. Its clients see a clean end, and the error of Run names the
// services.
func TestHammerEndsServicesThatIgnoreEverything(t *testing.T) {
	for name, tt := range map[string]struct {
		hammer time.Duration
		drain  func(s *server, old int)
	}{
		"HammerTime, replaced": {50 * time.Millisecond, func(s *server, _ int) { s.replace() }},
		"SIGUSR2, stopped": {-1, func(s *server, old int) {
			s.Signal(old, syscall.SIGTERM)
			s.Wait(1, fmt.Sprintf("after terminated pid=%d", old))
			s.Signal(old, syscall.SIGUSR2)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // they wait for Close and the others, in vain, for seconds
			s := serve(t, config{HammerTime: tt.hammer, Deaf: true})
			old := s.pid()
			var clients []*client
			for _, word := range []string{"hang", "deaf", "hold"} {
				c := s.dial()
				c.ask(word)
				clients = append(clients, c)
			}
			s.configure(func(c *config) { c.Deaf = false })
			tt.drain(s, old)
			for _, c := range clients {
				if _, err := c.lines.ReadString('\n'); err == nil || errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("got %v, want a clean end", err)
				}
			}
			s.WaitExit(old)
			want := `services of "web" did not return`
			if line := s.Wait(1, fmt.Sprintf("exit pid=%d ", old)); !strings.Contains(line, want) {
				t.Errorf("got %s, want that %s", line, want)
			}
			if strings.HasSuffix(name, "replaced") {
				s.stop()
			} else {
				s.WaitEnd()
			}
		})
	}
}

// A restart while too many generations drain is refused at once, and says so. It
// works when one of them has ended.
func TestTooManyGenerationsDrain(t *testing.T) {
	s := serve(t, config{HammerTime: -1, MaxDraining: 1})
	var pids []int
	for range 2 {
		pids = append(pids, s.pid())
		s.dial().ask("deaf")
		s.replace()
	}
	serving := s.pid()
	const want = "restart: too many earlier generations still drain: 2, Options.MaxDraining is 1"
	if got := s.restart(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.pid(); got != serving {
		t.Errorf("process %d serves, want %d", got, serving)
	}
	s.Signal(pids[0], syscall.SIGUSR2)
	s.exited(pids[0])
	proctest.Poll(t, "the end of the first is known", func() error {
		if n := len(s.status().Draining); n > 1 {
			return fmt.Errorf("%d generations drain", n)
		}
		return nil
	})
	s.replace()
	s.exited(serving)
	s.Signal(pids[1], syscall.SIGUSR2)
	s.exited(pids[1])
	s.stop()
}
