//go:build !restart_portable

package fdutil

import (
	"testing"

	"golang.org/x/sys/unix"
)

// Whoever gets the descriptor reads what was written, and cannot run it or pass it
// on to a program by accident.
func TestMemoryCannotBeChanged(t *testing.T) {
	f, err := Memory([]byte("state"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("x"), 0); err == nil {
		t.Error("it can be written")
	}
	if err := f.Truncate(0); err == nil {
		t.Error("it can be truncated")
	}
	err = Control(f, func(fd int) error {
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("got flags %#x, %v; want close-on-exec", flags, err)
		}
		_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_FUTURE_WRITE)
		return err
	})
	if err == nil {
		t.Error("its seals can be changed")
	}
	if b, err := ReadMemory(f, 5); err != nil || string(b) != "state" {
		t.Errorf("got %q, %v", b, err)
	}
}
