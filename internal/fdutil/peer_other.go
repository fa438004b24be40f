//go:build !darwin && !freebsd && !linux

package fdutil

import (
	"errors"
	"syscall"
)

// PeerUser returns errors.ErrUnsupported. OpenBSD and NetBSD could say who is at
// the other end of a Unix socket, but golang.org/x/sys does not ask them.
func PeerUser(syscall.Conn) (uid int, err error) { return 0, errors.ErrUnsupported }
