//go:build !restart_portable

package keeper

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

// A descriptor is kept once, under its name, and closed when it is given up.
func TestStore(t *testing.T) {
	f := newFake(t, Config{})
	next := 500 // a number that no other file gets
	dup := func(fd int) int {
		dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, next)
		if err != nil {
			t.Fatal(err)
		}
		next = dup + 1
		return dup
	}
	open := func() int {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		return dup(fd)
	}
	isOpen := func(fd int) bool { var st unix.Stat_t; return unix.Fstat(fd, &st) == nil }
	store := func(pid, fd int, name string) {
		f.handle(message{pid: pid, lines: []string{"FDSTORE=1", "FDNAME=" + name}, fds: []int{fd}})
	}
	web := open()
	again := dup(web)
	store(101, web, "web")
	store(101, again, "web")
	store(101, open(), "a:b")
	stranger := open()
	store(999999999, stranger, "web")
	if got := f.Store.names(); !slices.Equal(got, []string{"web", "stored"}) {
		t.Errorf("got %q", got)
	}
	if isOpen(again) || isOpen(stranger) {
		t.Error("what is not kept stays open")
	}
	if got := f.Store.environ(); !slices.Equal(got, []string{"LISTEN_FDS=2", "LISTEN_FDNAMES=web:stored"}) {
		t.Errorf("got %q", got)
	}
	barrier := open()
	f.handle(message{pid: 101, lines: []string{"BARRIER=1"}, fds: []int{barrier}})
	f.says(101, "FDSTOREREMOVE=1", "FDNAME=web")
	if got := f.Store.names(); !slices.Equal(got, []string{"stored"}) || isOpen(web) || isOpen(barrier) {
		t.Errorf("got %q", got)
	}
}
