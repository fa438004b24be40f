// Package pidfile keeps the PID of the serving process in a file.
package pidfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/renameio/v2/maybe"
)

// Write puts our PID into the file at path, atomically where the platform can:
// a reader sees the old content or the new. It does nothing for an empty path.
func Write(path string) error {
	if path == "" {
		return nil
	}
	if err := maybe.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("write PID file %s: %w (its directory must be writable, because the file is replaced)", path, err)
	}
	return nil
}

// Rival returns the PID in the file at path if another process has that PID
// now, 0 otherwise. The process may be anybody's: PIDs are used again.
func Rival(path string) int {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || pid <= 0 || pid == os.Getpid() {
		return 0
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return 0
	}
	defer p.Release()
	if err := p.Signal(syscall.Signal(0)); err != nil && !errors.Is(err, os.ErrPermission) {
		return 0
	}
	return pid
}

// Ours reports whether the file at path holds our PID.
func Ours(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid())
}

// Remove removes the file at path if it is still ours.
func Remove(path string) error {
	if path == "" || !Ours(path) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("remove PID file: %w", err)
	}
	return nil
}
