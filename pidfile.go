package restart

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/google/renameio/v2/maybe"
)

// writePIDFile puts our PID into path, atomically where the platform can: a
// reader sees the old content or the new.
func writePIDFile(path string) error {
	if path == "" {
		return nil
	}
	if err := maybe.WriteFile(path, []byte(strconv.Itoa(os.Getpid())+"\n"), 0o644); err != nil {
		return fmt.Errorf("restart: PID file: %w", err)
	}
	return nil
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
