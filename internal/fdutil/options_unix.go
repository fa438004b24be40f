//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package fdutil

import (
	"os"
	"slices"

	"golang.org/x/sys/unix"
)

// An option is one of a socket.
type option struct{ level, name int }

// changed lists the options that net.FileConn sets, as if the connection were new.
var changed = append([]option{
	{unix.IPPROTO_TCP, unix.TCP_NODELAY},
	{unix.SOL_SOCKET, unix.SO_KEEPALIVE},
}, keepAliveTimes...)

// An options holds the values of changed.
type options []int

// optionsOf returns nil if the socket f, which it borrows, has not all of them: it
// is none of TCP.
func optionsOf(f *os.File) options {
	all := make(options, len(changed))
	err := Control(f, func(fd int) (err error) {
		for i, o := range changed {
			if all[i], err = unix.GetsockoptInt(fd, o.level, o.name); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil
	}
	return all
}

// restore gives f the options back. Errors are ignored as package net does: the
// connection may have been reset.
func (all options) restore(f *os.File) {
	now := optionsOf(f)
	if all == nil || now == nil || slices.Equal(all, now) {
		return
	}
	_ = Control(f, func(fd int) error {
		for i, o := range changed {
			if now[i] != all[i] {
				_ = unix.SetsockoptInt(fd, o.level, o.name, all[i])
			}
		}
		return nil
	})
}
