//go:build linux

package faulttest

import (
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/restart"
)

// Faults of the file that is to be started.
var faultsOfThePrograms = []fault{
	{
		name: "missing", what: "the program's file is missing",
		steps: []step{atSpawn}, do: with("missing"),
		serves: oldServes, phase: restart.PhasePrepare, is: fs.ErrNotExist,
		says:   "no successor started: stat …: no such file or directory: was it moved or deleted? …",
		advice: "put it there",
	},
	{
		name: "not executable", what: "the file is not executable",
		steps: []step{atSpawn}, do: with("plain"),
		serves: oldServes, phase: restart.PhasePrepare,
		says:   "… is not executable (mode -rw-r--r--): chmod +x it",
		advice: "`chmod +x`",
	},
	{
		name: "directory", what: "the file is a directory",
		steps: []step{atSpawn}, do: with("directory"),
		serves: oldServes, phase: restart.PhasePrepare,
		says:   "no successor started: … is a directory",
		advice: "put the program there",
	},
	{
		name: "another architecture", what: "the file is for another machine",
		steps: []step{atSpawn}, do: with("alien"),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.ENOEXEC,
		says:   "… exec format error: not a program for this machine, or only half copied",
		advice: "build it for this machine (`GOARCH`)",
	},
	{
		name: "half copied", what: "the file is half copied. If what is there can run, it may also crash",
		steps: []step{atSpawn}, do: with("half"),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.ENOEXEC,
		says:   "… exec format error: not a program for this machine, or only half copied",
		advice: "copy beside it, then rename",
	},
	{
		name: "being written", what: "the file is being written",
		steps: []step{atSpawn}, do: with("written"),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.ETXTBSY,
		says:   "… text file busy: it is being written; write the new binary beside it and rename it into place",
		advice: "write beside it, then rename",
	},
	{
		name: "no interpreter", what: "the file is a script, and its interpreter is missing",
		steps: []step{atSpawn}, do: with("uninterpreted"),
		serves: oldServes, phase: restart.PhaseStart, is: syscall.ENOENT,
		says:   "… the interpreter or loader that it names is missing",
		advice: "install that, or build statically",
	},
	{
		name: "another program", what: "the program does not use this library",
		steps: []step{atSpawn}, do: with("stranger"),
		serves: oldServes,
		says:   "failed in phase ready: it exited before taking over (exit status 9); its last words: \"oh no\"",
		advice: "put the right program there",
	},
	{
		name: "replaced", what: "the file is replaced while the program starts",
		steps: []step{atSpawn, atClaim, atService}, deed: waits,
		do: func(s *scene) outcome {
			outcomes := s.ask()
			s.reached()
			s.install(program("alien"))
			s.open()
			o := <-outcomes
			s.install(testBinary(s.t))
			return o
		},
		serves: newServes,
		advice: "nothing: the process keeps the file that it was started from",
	},
}

// with restarts with another file in the program's place.
func with(name string) func(*scene) outcome {
	return func(s *scene) outcome {
		s.install(program(name))
		o := s.restart()
		s.install(testBinary(s.t))
		return o
	}
}

var programs string // directory

func program(name string) string { return filepath.Join(programs, name) }

// makePrograms makes files that cannot be started. That is done once, before any
// process starts: one that is just being started may have a file open for a moment
// that was just written.
func makePrograms(t *testing.T) {
	t.Helper()
	programs = t.TempDir()
	for name, content := range map[string]string{
		"alien":         alien(),
		"half":          "\x7fELF\x02\x01\x01",
		"written":       "#!/bin/sh\n",
		"uninterpreted": "#!/nowhere/sh\n",
		"stranger":      "#!/bin/sh\necho oh no >&2\nexit 9\n",
		"plain":         "#!/bin/sh\n",
	} {
		if err := os.WriteFile(program(name), []byte(content), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(program("plain"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(program("directory"), 0o755); err != nil {
		t.Fatal(err)
	}
	written, err := os.OpenFile(program("written"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { written.Close() })
}

// alien returns a program for SPARC.
func alien() string {
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x02\x01")         // 64 bits, big endian
	binary.BigEndian.PutUint16(header[16:], 2)  // ET_EXEC
	binary.BigEndian.PutUint16(header[18:], 43) // EM_SPARCV9
	binary.BigEndian.PutUint32(header[20:], 1)  // EV_CURRENT
	binary.BigEndian.PutUint16(header[52:], 64) // size of this header
	binary.BigEndian.PutUint16(header[54:], 56) // size of a program header
	return string(header)
}
