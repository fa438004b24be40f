//go:build !linux || restart_portable

package spawn

import (
	"errors"
	"syscall"
	"time"
)

// A Handle cannot be made: only Linux tells for sure which process a PID is.
type Handle struct{}

// Open returns errors.ErrUnsupported.
func Open(int) (*Handle, error) { return nil, errors.ErrUnsupported }

// Signal does nothing.
func (*Handle) Signal(syscall.Signal) {}

// Wait returns at once.
func (*Handle) Wait(time.Duration) bool { return true }

// AwaitEnd returns at once.
func (*Handle) AwaitEnd() bool { return false }

// Close does nothing.
func (*Handle) Close() {}
