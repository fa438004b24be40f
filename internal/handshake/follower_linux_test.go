//go:build !restart_portable

package handshake

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
)

// A packet that the kernel refuses must not get lost without a word, see
// TestMessagesThatCannotBeSent. On a stream there is no such packet.
func TestReadyThatIsTooLong(t *testing.T) {
	_, theirs := pair(t)
	f := &Follower{Conn: theirs}
	file, err := theirs.File()
	if err == nil {
		err = fdutil.Control(file, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, 1) })
		file.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	long := slices.Repeat([]string{strings.Repeat("x", 250)}, namesAtOnce)
	for name, claims := range map[string]Claims{
		"ready":  {Claimed: long},
		"claims": {Claimed: append(long, long...)},
		"kinds":  {Kinds: map[string][]string{"web": long}},
	} {
		if err := f.Ready(claims); !errors.Is(err, unix.EMSGSIZE) {
			t.Errorf("%s: got %v, want EMSGSIZE", name, err)
		}
	}
}
