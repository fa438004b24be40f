//go:build unix

package pidfile

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// Whoever may write the directory could put something there that is read without
// end, or not at all. That must not stop a program from starting or a restart.
func TestOnlyFilesAreRead(t *testing.T) {
	dir := t.TempDir()
	fifo, endless := filepath.Join(dir, "fifo"), filepath.Join(dir, "endless")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/zero", endless); err != nil {
		t.Fatal(err)
	}
	large := filepath.Join(dir, "large")
	f, err := os.Create(large)
	if err == nil {
		err = f.Truncate(1 << 40)
	}
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	for _, path := range []string{fifo, endless, large, dir} {
		read := make(chan struct{})
		go func() {
			defer close(read)
			if pid := Rival(path); pid != 0 {
				t.Errorf("%s names process %d", path, pid)
			}
			if Ours(path) {
				t.Errorf("%s is taken for ours", path)
			}
			if err := Write(path); err != nil && path != dir {
				t.Errorf("%s cannot be replaced: %v", path, err)
			}
		}()
		select {
		case <-read:
		case <-time.After(20 * time.Second):
			t.Fatalf("%s is waited for", path)
		}
	}
}
