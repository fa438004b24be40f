package restart

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/google/renameio/v2/maybe"
)

// writePIDFile puts our PID into path, atomically where the platform can: a
// reader sees the old content or the new.
func writePIDFile(path string) error {
	if path == "" {
		return nil
	}
	if err := maybe.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("restart: PID file %s: %w (its directory must be writable, for the file is replaced)", path, err)
	}
	return nil
}

// pidInUse returns the PID in path if another process has that now, 0 otherwise.
// It need not be one of ours: PIDs are used again.
func pidInUse(path string) int {
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

// ownsPIDFile reports whether path holds our PID.
func ownsPIDFile(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.TrimSpace(string(b)) == strconv.Itoa(os.Getpid())
}

// removePIDFile removes path if it is still ours.
func removePIDFile(path string) error {
	if path == "" || !ownsPIDFile(path) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return fmt.Errorf("restart: PID file: %w", err)
	}
	return nil
}
