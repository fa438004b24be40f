//go:build !linux || restart_portable

package spawn

import (
	"errors"
	"syscall"
)

// A Handle cannot be made: only Linux tells for sure which process a PID is.
type Handle struct{}

// Open returns errors.ErrUnsupported.
func Open(int) (*Handle, error) { return nil, errors.ErrUnsupported }

// Signal does nothing.
func (*Handle) Signal(syscall.Signal) {}

// Close does nothing.
func (*Handle) Close() {}
