//go:build linux

// Package proctest runs tests in several real processes: the test binary
// executes itself in roles. It synchronises by lines on standard output and by
// pipes, never by the clock, and leaves no process behind.
package proctest

import (
	"flag"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// RoleVar names the role in the environment. It is inherited by every process
// that a role starts.
const RoleVar = "PROCTEST_ROLE"

// Patience bounds every wait. It guards against hanging, it measures nothing.
const Patience = 30 * time.Second

// kept is how many files a process keeps open to its end: the Go runtime's epoll
// and eventfd, and the two ends of the pipe that the first Restarter makes.
const kept = 4

var used = struct {
	sync.Mutex
	roles map[string]bool
}{roles: make(map[string]bool)}

// Use notes that a test plays the role.
func Use(role string) {
	used.Lock()
	defer used.Unlock()
	used.roles[role] = true
}

// Main is for TestMain, which exits with the result. In a process that was started in
// a role, Main plays the role. Otherwise it runs the tests. It fails if a role was not
// used, or if a goroutine, a child or an open file is left afterwards.
func Main(m *testing.M, roles map[string]func()) (code int) {
	if name := os.Getenv(RoleVar); name != "" {
		role, ok := roles[name]
		if !ok {
			fmt.Fprintf(os.Stderr, "proctest: no role %q\n", name)
			return 2
		}
		role()
		return 0
	}
	flag.Parse()
	// Under nohup children would be started with SIGHUP ignored, and tests send it.
	signal.Notify(make(chan os.Signal, 1), unix.SIGHUP)
	// What a successor leaves when its parent has ended becomes our child.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		fmt.Fprintln(os.Stderr, "proctest:", err)
		return 2
	}
	before := Files()
	code = m.Run()
	if code == 0 {
		code = leftBehind(before)
	}
	if code == 0 && everything() {
		for name := range roles {
			if !used.roles[name] {
				fmt.Fprintf(os.Stderr, "proctest: role %q is never used\n", name)
				code = 1
			}
		}
	}
	return code
}

// everything reports whether no flag kept a test from running.
func everything() bool {
	for _, name := range []string{"test.run", "test.skip", "test.list", "test.fuzz", "test.bench"} {
		if f := flag.Lookup(name); f != nil && f.Value.String() != "" {
			return false
		}
	}
	return true
}

func leftBehind(before []string) int {
	code := 0
	fail := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "proctest: "+format+"\n", args...)
		code = 1
	}
	// net/http has a connection for half a second after its last answer. That is about
	// as long as goleak waits.
	err := goleak.Find()
	for range 10 {
		if err == nil {
			break
		}
		err = goleak.Find()
	}
	if err != nil {
		fail("%v", err)
	}
	if !childless() {
		fail("a child is left that does not end")
	}
	if after := Files(); len(after) > len(before)+kept {
		fail("open files before: %q, after: %q", before, after)
	}
	return code
}

// childless reaps what the kernel has made our children because their parents
// have ended, such as shells around a server, and reports whether no other is
// left.
func childless() bool {
	var status unix.WaitStatus
	for range 500 {
		switch pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); {
		case err == unix.ECHILD:
			return true
		case pid == 0:
			time.Sleep(10 * time.Millisecond) // one that lives, or is just ending
		}
	}
	return false
}

// Files returns what this process has open.
func Files() []string { return FilesOf(os.Getpid()) }

// FilesOf returns what a process has open.
func FilesOf(pid int) []string {
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var files []string
	for _, e := range entries {
		if to, err := os.Readlink(dir + "/" + e.Name()); err == nil && to != dir {
			files = append(files, e.Name()+":"+to)
		}
	}
	return files
}
