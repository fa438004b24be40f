//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package spawn

import (
	"bufio"
	"errors"
	"os"
	"testing"
	"time"
)

// Where standard error cannot be restored, the pipe that it stays must have a
// reader until the process ends: without one the next words are its last.
func TestRelayOutlivesAFailedRestore(t *testing.T) {
	pipe := func() (r, w *os.File) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(); w.Close() })
		r.SetReadDeadline(time.Now().Add(patience))
		return r, w
	}
	log, real := pipe()
	stderr, descriptor2 := pipe()
	stderr.SetReadDeadline(time.Time{})
	relay := Relay{Real: real, Pipe: stderr}
	failed := errors.New("no")
	if err := relay.restore(func(*os.File, int) error { return failed }); err != failed {
		t.Errorf("got %v, want %v", err, failed)
	}
	relay.Close()
	if _, err := descriptor2.WriteString("late words\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := bufio.NewReader(log).ReadString('\n'); got != "late words\n" {
		t.Errorf("got %q, %v", got, err)
	}
	descriptor2.Close()
	<-relay.done
}
