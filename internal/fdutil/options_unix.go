//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package fdutil

import (
	"os"
	"slices"
	"sync/atomic"

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

// setByNet is what the options are after net.FileConn, once a connection was asked:
// it sets the same for each. What it leaves alone is not changed by being set to
// what it was.
var setByNet atomic.Pointer[options]

// restore gives f the options back. Errors are ignored as package net does: the
// connection may have been reset.
func (all options) restore(f *os.File) {
	if all == nil {
		return
	}
	set := setByNet.Load()
	if set == nil {
		now := optionsOf(f)
		if now == nil {
			return
		}
		set = &now
		setByNet.Store(set)
	}
	if slices.Equal(all, *set) {
		return
	}
	_ = Control(f, func(fd int) error {
		for i, o := range changed {
			if all[i] != (*set)[i] {
				_ = unix.SetsockoptInt(fd, o.level, o.name, all[i])
			}
		}
		return nil
	})
}
