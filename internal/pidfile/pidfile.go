// Package pidfile keeps the PID of the serving process in a file.
package pidfile

import (
	"errors"
	"fmt"
	"io"
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
	pid, err := strconv.Atoi(read(path))
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
	return read(path) == strconv.Itoa(os.Getpid())
}

// maxSize is more than a PID and the space around it take.
const maxSize = 64

// read returns the words of the file at path, empty if it cannot be a PID file.
// Others may be allowed to write its directory: what they put there must neither
// block, as a FIFO does, nor be read without end.
func read(path string) string {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return ""
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() || fi.Size() > maxSize {
		return ""
	}
	b, err := io.ReadAll(io.LimitReader(f, maxSize))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
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
