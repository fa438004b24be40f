//go:build linux

package proctest

import (
	"testing"
	"time"
)

// Poll waits, within a bound, until f has no error. It is for what no event tells of.
func Poll(t testing.TB, what string, f func() error) {
	t.Helper()
	for bound := time.Now().Add(Patience); ; time.Sleep(2 * time.Millisecond) {
		err := f()
		if err == nil {
			return
		}
		if time.Now().After(bound) {
			t.Fatalf("wait until %s: %v", what, err)
		}
	}
}
