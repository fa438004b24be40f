//go:build linux && restart_portable

package restart

import (
	"strings"
	"testing"
)

// Without the kernel's word for it, the PID that a successor names could be
// anybody's. So the process that was started must be the one that serves.
func TestWrapperThatStaysIsRefused(t *testing.T) {
	s := serve(t, config{Wrap: `"$@"; exit $?`})
	if got := s.restart(); !strings.Contains(got, "must execute it by exec") {
		t.Errorf("got %s, want that the script must execute the program by exec", got)
	}
	s.stop()
}
