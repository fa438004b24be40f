package control

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// asUser runs f on a thread that belongs to another user. The thread ends with it.
func asUser(t *testing.T, uid int, f func() error) error {
	t.Helper()
	result := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked
		if _, _, errno := syscall.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); errno != 0 {
			result <- errno
			return
		}
		result <- f()
	}()
	return receive(t, result)
}

// A peer of another user is refused, with words. An abstract socket has no mode
// that would keep it away.
func TestPeerOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can ask as another user")
	}
	_, c := listenOn(t, newFakeProcess(), fmt.Sprintf("@restart-control-test-%d", os.Getpid()))
	var conn net.Conn
	err := asUser(t, 65534, func() (err error) { conn, err = net.Dial("unix", c.Path); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("POST /stop HTTP/1.1\r\nHost: x\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil {
		t.Fatal(err)
	}
	if got := string(answer[:n]); !contains(got, "403 Forbidden", "user 65534 may not control this process") {
		t.Errorf("got %s", got)
	}
}

// The file keeps other users away before that, and the Client says whose it is.
func TestFileOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can ask as another user")
	}
	dir, err := os.MkdirTemp("", "control")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	_, c := listenOn(t, newFakeProcess(), dir+"/sock")
	err = asUser(t, 65534, func() error { _, err := net.Dial("unix", c.Path); return err })
	if err = c.explain(t.Context(), err); !errors.Is(err, ErrPermission) || !contains(err.Error(), "belongs to root", "ask as that user or as root") {
		t.Errorf("got %v", err)
	}
}
