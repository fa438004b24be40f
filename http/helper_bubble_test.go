package restarthttp

import (
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// serveInBubble serves s from a listener in memory, and returns that. It is for
// tests in which time is not real.
func serveInBubble(t *testing.T, s *Server) *connListener {
	t.Helper()
	s.selfCheck = func() int { return 4096 } // the real one is shared with other tests
	l := newConnListener(&net.TCPAddr{})
	go s.Serve(l)
	synctest.Wait()
	t.Cleanup(func() { s.Close(); synctest.Wait() })
	return l
}

// A sending is what a client sends so long after what it has sent before, the
// first after the beginning of the drain.
type sending struct {
	after time.Duration
	text  string
}
