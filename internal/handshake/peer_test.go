//go:build linux

package handshake

import (
	"os"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// A channel that another user has made is refused, whatever hello says: who starts
// a program that has more rights than he has must not give it sockets.
func TestPeerOfAnotherUserIsRefused(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can make a channel as another user")
	}
	const nobody = 65534
	var ours *channel.Conn
	var theirs *os.File
	var err error
	made := make(chan struct{})
	go func() {
		defer close(made)
		runtime.LockOSThread() // for good: the thread ends with this goroutine
		// Of this thread only. The kernel remembers whose the pair is.
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, ^uintptr(0), nobody, ^uintptr(0)); errno != 0 {
			err = errno
			return
		}
		ours, theirs, err = channel.Pair()
	}()
	<-made
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	if err := ours.Send(wire.TypeHello, wire.Hello{PID: os.Getpid(), Generation: 1}); err != nil {
		t.Fatal(err)
	}
	conn, err := channel.Open(theirs)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Meet(conn); err == nil || !strings.Contains(err.Error(), "runs as user 65534, this process as 0") {
		t.Errorf("got %v, want that it runs as another user", err)
	}
}
