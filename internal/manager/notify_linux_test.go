//go:build !restart_portable

package manager

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode/utf8"

	"example.com/restart/internal/systemdtest"
)

// systemd reads a status up to the end of the line.
func TestStatus(t *testing.T) {
	if got, want := status("a %s\nb\r\n  c", "%d"), "STATUS=a %d b c"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	long := status("%s", "a"+strings.Repeat("ä", maxStatus))
	if len(long) > maxStatus+20 || !utf8.ValidString(long) || !strings.HasSuffix(long, "ä…") {
		t.Errorf("got %q", long)
	}
}

func TestSend(t *testing.T) {
	systemd := systemdtest.Listen(t)
	if err := send(systemd.Path, []string{"A=1", "B=2"}, 0, 1); err != nil {
		t.Fatal(err)
	}
	if got := systemd.Next(); got.Text != "A=1\nB=2" || len(got.Files) != 2 {
		t.Errorf("got %+v", got)
	}
	missing := filepath.Join(t.TempDir(), "missing")
	if err := send(missing, []string{"A=1"}); !errors.Is(err, syscall.ENOENT) || !strings.Contains(err.Error(), "notify the service manager") {
		t.Errorf("got %v", err)
	}
}

// A restart that systemd does not hear of would end the service.
func TestReplacingFails(t *testing.T) {
	s := &Notified{socket: filepath.Join(t.TempDir(), "missing")}
	if err := s.Replacing(1); err == nil {
		t.Error("got no error")
	}
}

// barrier returns when the other end has closed the descriptor, and not before.
func TestBarrier(t *testing.T) {
	systemd := systemdtest.Listen(t)
	passed := make(chan error)
	go func() { passed <- barrier(systemd.Path) }()
	m := systemd.Next()
	if m.Text != "BARRIER=1" || len(m.Files) != 1 {
		t.Fatalf("got %q with %d files", m.Text, len(m.Files))
	}
	select {
	case err := <-passed:
		t.Errorf("got %v before the message was dealt with", err)
	default:
	}
	m.Files[0].Close()
	if err := <-passed; err != nil {
		t.Error(err)
	}
}
