//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

package spawn

import (
	"errors"
	"os"
)

// Supported reports whether this platform can start a successor.
const Supported = false

// Start returns errors.ErrUnsupported.
func Start(Command, Parent, *os.File, *Tail, Greeting) (Process, error) {
	return nil, errors.ErrUnsupported
}

func dupOver(*os.File, int) error { return errors.ErrUnsupported }
