//go:build darwin || dragonfly || freebsd || netbsd || openbsd

package spawn

import "golang.org/x/sys/unix"

// getTermios is the ioctl(2) that only terminals know.
const getTermios = unix.TIOCGETA
