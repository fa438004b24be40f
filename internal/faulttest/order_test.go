//go:build linux

package faulttest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/proctest"
	"example.com/restart/internal/wire"
)

// A step is a point of a restart at which something can happen.
type step string

// The steps in order. The first ones are the successor's, in main and in New; the
// program's own code runs at the others.
const (
	atSpawn     step = "spawn"         // main begins
	atHandshake step = "handshake"     // hello
	atManifest  step = "manifest"      // the sockets
	atState     step = "state"         // State in the old process, Restore in the new one
	atClaim     step = "claim"         // an inherited socket was taken
	atBind      step = "bind"          // a new socket is about to be bound
	atService   step = "service start" // Serve was called
	atReady     step = "ready"         // ready is about to be sent, or has come
	atCommit    step = "commit"        // the PID file
	atManager   step = "manager"       // systemd hears of the new main process
	atGo        step = "go"            // go has been, or is about to be, sent
	atRequest   step = "first request" // the successor serves
	atHandOver  step = "hand-over"     // live connections move
	atProbation step = "probation"     // the old process may yet serve again
	atDrain     step = "drain"         // Shutdown was called
	atHammer    step = "hammer"        // Close was called
)

// A deed is what a process does to itself, or says.
type deed string

const (
	exit0    deed = "exit 0"
	exit1    deed = "exit 1"
	panics   deed = "panic"
	killed   deed = "killed"  // SIGKILL
	stopped  deed = "stopped" // SIGSTOP
	hangs    deed = "hangs"
	waits    deed = "waits" // until the test opens the gate
	fails    deed = "fails" // returns an error, refuses a connection
	noFiles  deed = "no descriptors"
	truncate deed = "truncated frame"
	oversize deed = "oversized frame"
	unknown  deed = "unknown frame"
	version  deed = "frame of another version"
	foreign  deed = "frame without magic"
	nonsense deed = "frame with nonsense"
	wrong    deed = "wrong frame"
	empty    deed = "empty packet"
)

// An order tells a process what to do at a step. It is a file that every process
// of a scene looks for.
type order struct {
	Step step
	Deed deed

	// Old is the process that is to be replaced. The order is meant for it, or for
	// the others.
	Old    int
	ForOld bool

	// Scripted: the successor is played by a script, because no program that uses
	// the library does this at this step.
	Scripted bool
}

func orderFile(dir string) string { return filepath.Join(dir, "order.json") }
func gateFile(dir string) string  { return filepath.Join(dir, "gate") }

// readOrder returns the order that is meant for this process, if there is one.
func readOrder(dir string) order {
	b, err := os.ReadFile(orderFile(dir))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.EMFILE) {
		return order{}
	}
	var o order
	if err == nil {
		err = json.Unmarshal(b, &o)
	}
	if err != nil {
		die("order: %v", err)
	}
	if o.ForOld != (o.Old == os.Getpid()) {
		return order{}
	}
	return o
}

// at does what the order says for this step.
func at(dir string, s step) error {
	o := readOrder(dir)
	if o.Step != s {
		return nil
	}
	fmt.Printf("at step=%q pid=%d\n", s, os.Getpid())
	return o.Deed.do(dir)
}

// wentOn is what a process that has waited writes to its standard error, which may
// have lost its reader.
const wentOn = "went on"

var errOrdered = errors.New("the cache cannot be read")

// do does what a program can do to itself at any step.
func (d deed) do(dir string) error {
	switch d {
	case exit0:
		os.Exit(0)
	case exit1:
		die("no such plugin")
	case panics:
		go panic("nobody expects this") // net/http would recover
		for {
			time.Sleep(time.Hour)
		}
	case killed:
		_ = unix.Kill(os.Getpid(), unix.SIGKILL)
		select {}
	case stopped:
		// To this very thread: the process would go on until another one has it.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP)
	case hangs:
		for { // select without cases would be a deadlock, at which the runtime ends the process
			time.Sleep(time.Hour)
		}
	case waits:
		_, err := os.ReadFile(gateFile(dir))
		fmt.Fprintln(os.Stderr, wentOn)
		return err
	case fails:
		return errOrdered
	case noFiles:
		n := limitFor(proctest.Files(), 0)
		return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n})
	}
	return nil
}

// limitFor returns the limit below which so many numbers are free.
func limitFor(files []string, spare int) uint64 {
	taken := make(map[uint64]bool)
	for _, f := range files {
		var fd uint64
		if _, err := fmt.Sscanf(f, "%d:", &fd); err != nil {
			die("%s: %v", f, err)
		}
		taken[fd] = true
	}
	for n := uint64(0); ; n++ {
		if taken[n] {
			continue
		}
		if spare == 0 {
			return n
		}
		spare--
	}
}

// frame returns what a script says instead of a message of type t; nil if the
// deed is none of words.
func (d deed) frame(t wire.Type) []byte {
	good, err := wire.Append(nil, t, map[string]any{"pid": os.Getpid(), "generation": 1})
	if err != nil {
		die("%v", err)
	}
	switch d {
	case truncate:
		return good[:len(good)-1]
	case oversize:
		return append(good, make([]byte, wire.MaxFrame)...)
	case unknown:
		strange, _ := wire.Append(nil, 999, map[string]any{"pid": 1})
		return strange
	case version:
		good[5]++
		return good
	case foreign:
		good[0] = 'X'
		return good
	case nonsense: // of the right length
		for i := len(good) - 10; i < len(good); i++ {
			good[i] = '{'
		}
		return good
	case wrong:
		other, _ := wire.Append(nil, wire.TypeSource, wire.Source{})
		return other
	case empty:
		return []byte{}
	}
	return nil
}

func die(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}
