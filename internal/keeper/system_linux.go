//go:build !restart_portable

package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A system is what a keeper asks of the kernel, so that tests can stand in for
// it.
type system struct {
	now  func() time.Time
	fork func(path string, args []string, attr *syscall.ProcAttr) (pid int, err error)
	kill func(pid int, sig syscall.Signal)
	reap func(*unix.WaitStatus) (pid int, err error)

	// isChild reports whether the process is a child that has not been reaped.
	isChild func(pid int) bool

	// children returns all of them.
	children func() []int
}

func realSystem() system {
	return system{
		now:      time.Now,
		fork:     syscall.ForkExec,
		kill:     func(pid int, sig syscall.Signal) { _ = unix.Kill(pid, sig) }, // it may have ended
		reap:     func(ws *unix.WaitStatus) (int, error) { return unix.Wait4(-1, ws, unix.WNOHANG, nil) },
		isChild:  func(pid int) bool { return waitable(unix.P_PID, pid) },
		children: children,
	}
}

func waitable(kind, pid int) bool {
	err := unix.Waitid(kind, pid, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return !errors.Is(err, unix.ECHILD)
}

func children() (pids []int) {
	if !waitable(unix.P_ALL, 0) {
		return nil
	}
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is valid
	for _, path := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err == nil && parent(pid) == os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

// parent returns the parent of a process, 0 if that is not known.
func parent(pid int) (ppid int) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b[strings.LastIndexByte(string(b), ')')+1:]), " ")
	fmt.Sscanf(rest, "%1s %d", new(string), &ppid)
	return ppid
}

// isOurs reports whether a process lives and descends from this one.
func (k *keeper) isOurs(pid int) bool {
	if pid <= 0 || pid == os.Getpid() {
		return false
	}
	if pid == k.justEnded || k.sys.isChild(pid) {
		return true
	}
	for range 64 { // levels; /proc changes while we read
		if pid = parent(pid); pid <= 1 && pid != os.Getpid() {
			return false
		}
		if pid == os.Getpid() {
			return true
		}
	}
	return false
}
