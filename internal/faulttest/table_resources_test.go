//go:build linux

package faulttest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"example.com/restart"
	"example.com/restart/internal/proctest"
)

// Faults of descriptors and of the disk.
var faultsOfResources = []fault{
	{
		name: "old has no descriptors", what: "the old process has no descriptor left, or too few",
		steps: []step{atSpawn}, do: withFiles(0),
		serves: oldServes, phase: restart.PhasePrepare, is: syscall.EMFILE,
		says:   "no successor started: …too many open files",
		advice: "raise the limit (`ulimit -n`), or close connections. Clients wait in the queue meanwhile",
	},
	{
		name: "old has few descriptors", sameAsBefore: true,
		steps: []step{atSpawn}, do: withFiles(3),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.EMFILE,
		says:   "no successor started: …too many open files",
		advice: "the same",
	},
	{
		name: "old has some descriptors", sameAsBefore: true,
		steps: []step{atSpawn}, do: withFiles(6),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.EMFILE,
		says:   "no successor started: …too many open files",
		advice: "the same",
	},
	{
		name: "old has nearly enough descriptors", sameAsBefore: true,
		steps: []step{atSpawn}, do: withFiles(9),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.EMFILE,
		says:   "no successor started: …too many open files",
		advice: "the same",
	},
	{
		name: "new has no descriptors", what: "the new process has no descriptor left",
		steps: []step{atSpawn, atState, atClaim}, deed: noFiles,
		serves: oldServes, says: "failed in phase ready: …too many open files…",
		advice: "the same",
	},
	{
		name: "disk full", what: "there is no space for the PID file",
		steps: []step{atCommit}, prepare: small,
		do: func(s *scene) outcome {
			fill(s.t, s.file("run/filler"))
			defer os.Remove(s.file("run/filler"))
			return s.restart()
		},
		serves: oldServes,
		says:   "failed in phase commit: … write PID file …: … no space left on device (its directory must be writable, because the file is replaced)…",
		advice: "make room",
	},
	{
		name: "PID file", what: "the PID file cannot be written",
		steps: []step{atCommit},
		do: func(s *scene) outcome {
			s.configure(func(c *config) { c.PIDFile = "/proc/app.pid" })
			defer s.configure(nil)
			return s.restart()
		},
		serves: oldServes,
		says:   "failed in phase commit: … write PID file …: … (its directory must be writable, because the file is replaced)…",
		advice: "permissions, space",
	},
	{
		name: "disk full of files", what: "there is no room for the file of a Unix socket",
		steps: []step{atBind}, prepare: small,
		do: func(s *scene) outcome {
			defer useUp(s.t, s.file("run"))()
			return s.restart()
		},
		serves: oldServes,
		says:   "failed in phase ready: … add listener \"fresh\": listen unix …: bind: no space left on device…",
		advice: "make room (`df -i`)",
	},
	{
		name: "disk read-only", what: "the directory of the PID file and of Unix sockets is read-only",
		steps: []step{atBind}, prepare: small,
		do: func(s *scene) outcome {
			remount(s.t, s.file("run"), unix.MS_RDONLY)
			defer remount(s.t, s.file("run"), 0)
			return s.restart()
		},
		serves: oldServes,
		says:   "failed in phase ready: … add listener \"fresh\": listen unix …: bind: read-only file system…",
		advice: "make it writable",
	},
	{
		name: "address taken", what: "an address cannot be bound",
		steps: []step{atBind},
		do: func(s *scene) outcome {
			path := freshSocket(s.dir, s.status().Generation+1)
			ln := listenUnix(s.t, path)
			defer ln()
			return s.restart()
		},
		serves: oldServes,
		says:   "failed in phase ready: … add listener \"fresh\": listen unix …: bind: address already in use…",
		advice: "free it, or choose another",
	},
}

// withFiles restarts while the old process can open so many files more. Clients
// that come meanwhile wait.
func withFiles(spare int) func(*scene) outcome {
	return func(s *scene) outcome {
		s.load.pause()
		asker := s.load.connect("tcp", s.config.Web)
		if _, _, err := asker.who(); err != nil { // it has been accepted
			s.t.Fatal(err)
		}
		proctest.Poll(s.t, "connections that were answered are closed", func() error {
			if n, want := len(proctest.FilesOf(s.old)), len(s.before.files)+1; n > want {
				return fmt.Errorf("%d files are open, want %d with the asker", n, want)
			}
			return nil
		})
		restore := s.limitFiles(s.old, spare)
		body, _, err := asker.get("/restart")
		o, err := decode[outcome](body, err)
		if err != nil {
			s.t.Errorf("ask for a restart: %v", err)
		}
		waiting := s.load.connect("tcp", s.config.Web)
		restore()
		if _, _, err := waiting.who(); err != nil {
			s.t.Errorf("a client that waited: %v", err)
		}
		asker.hangUp()
		waiting.hangUp()
		s.load.resume()
		return o
	}
}

// small makes the directory of the server's files a file system of its own, with
// room for few.
func small(s *scene) {
	if os.Geteuid() != 0 {
		s.t.Skip("a full or read-only disk needs root: it is a small tmpfs")
	}
	dir := s.file("run")
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k,nr_inodes=16,mode=755"); err != nil {
		s.t.Skipf("no tmpfs to be had here: %v", err)
	}
	s.t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			s.t.Error(err)
		}
	})
}

func remount(t *testing.T, dir string, flags uintptr) {
	t.Helper()
	if err := unix.Mount("", dir, "", unix.MS_REMOUNT|flags, ""); err != nil {
		t.Error(err)
	}
}

// fill writes until there is no space.
func fill(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o644); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("fill the disk: got %v", err)
	}
}

// useUp makes files until there can be no more.
func useUp(t *testing.T, dir string) (restore func()) {
	t.Helper()
	var made []string
	for err := error(nil); err == nil; {
		name := dir + "/" + strings.Repeat("x", 1+len(made))
		if err = os.WriteFile(name, nil, 0o644); err == nil {
			made = append(made, name)
		} else if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("fill the disk: %v", err)
		}
	}
	return func() {
		for _, name := range made {
			os.Remove(name)
		}
	}
}

func listenUnix(t *testing.T, path string) (close func()) {
	t.Helper()
	ln, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return func() { ln.Close() }
}
