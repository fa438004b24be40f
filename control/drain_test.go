//go:build linux

package control

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart"
)

// An operator who watches must not keep the old process alive.
func TestControlConnectionsDoNotCount(t *testing.T) {
	s := restart.Status{Listeners: []restart.ListenerStatus{{Name: "web", Connections: 3}, {Name: listenerName, Connections: 2}, {Name: "dns"}}}
	if got := connections(s); got != 3 {
		t.Errorf("got %d, want 3", got)
	}
}

// The answer to a stop ends with the process, not with the drain before that: a
// program may hold a lock to its end.
func TestAnswerEndsWithTheProcess(t *testing.T) {
	hold := filepath.Join(t.TempDir(), "hold")
	if err := unix.Mkfifo(hold, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TEST_HOLD", hold)
	f, first, c, _ := startServer(t, "server")
	conn, err := net.Dial("unix", c.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /stop?wait=drain HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(conn)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(line, `"drained"`) {
			break
		}
	}
	f.Wait(1, fmt.Sprintf("end pid=%d", first.PID)) // Run has returned, main has not
	if err := conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v while the process lives, want that the answer goes on", err)
	}
	if err := os.WriteFile(hold, []byte("go"), 0o600); err != nil { // wakes main
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := lines.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want the end of the answer", err)
	}
	f.WaitEnd()
}
