//go:build !restart_portable

package keeper

import (
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// A terminal is the one that controls this process. Its methods do nothing if it
// is nil.
type terminal struct{ fd int }

func openTerminal() *terminal {
	fd, err := unix.Open("/dev/tty", unix.O_RDWR|unix.O_CLOEXEC|unix.O_NOCTTY, 0)
	if err != nil {
		return nil
	}
	return &terminal{fd}
}

// isOurs reports whether this process or the program, whose group is given, is in
// the foreground.
func (t *terminal) isOurs(group int) bool {
	if t == nil {
		return false
	}
	front, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err == nil && (front == unix.Getpgrp() || group != 0 && front == group)
}

// isGone reports whether the terminal has been closed.
func (t *terminal) isGone() bool {
	if t == nil {
		return false
	}
	_, err := unix.IoctlGetInt(t.fd, unix.TIOCGPGRP)
	return err != nil
}

// give puts a process group into the foreground. The kernel would stop us for it
// if we were not there ourselves, unless SIGTTOU is blocked.
func (t *terminal) give(group int) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var block, before unix.Sigset_t
	block.Val[0] = 1 << (uint(syscall.SIGTTOU) - 1)
	if unix.PthreadSigmask(unix.SIG_BLOCK, &block, &before) != nil {
		return
	}
	_ = unix.IoctlSetPointerInt(t.fd, unix.TIOCSPGRP, group) // the terminal may have been closed
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &before, nil)
}

// takeBack gives the terminal to our own group, if the program's has it.
func (t *terminal) takeBack(group int) {
	if t.isOurs(group) {
		t.give(unix.Getpgrp())
	}
}

// isStopped reports whether a child has been stopped since the last call.
func isStopped(pid int) bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, pid, &info, unix.WSTOPPED|unix.WNOHANG, nil)
	return err == nil && info.Signo != 0
}

// suspend stops the keeper with the program, so that the shell sees it stopped and
// comes back. Where no shell waits for us the program goes on.
func (k *keeper) suspend() {
	if session, err := unix.Getsid(0); err == nil && session != os.Getpid() {
		_ = unix.Kill(0, unix.SIGSTOP) // all of our job; returns when the shell continues it
	}
	k.resume()
}

// resume lets the program go on, in the foreground if the shell has put us there.
func (k *keeper) resume() {
	if k.terminal == nil || k.Group == 0 {
		return
	}
	if k.terminal.isOurs(k.Group) {
		k.terminal.give(k.Group)
	}
	_ = unix.Kill(-k.Group, unix.SIGCONT) // it may have ended
}
