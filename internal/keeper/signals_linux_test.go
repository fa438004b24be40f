//go:build !restart_portable

package keeper

import (
	"syscall"
	"testing"
	"time"
)

// SIGTERM means the service, also if it comes to a process that is just being
// replaced.
func TestStopDuringARestart(t *testing.T) {
	f := newFake(t, Config{})
	f.says(101, "RELOADING=1")
	f.onSignal(syscall.SIGTERM)
	f.alive[102] = true
	f.says(101, "MAINPID=102", "READY=1")
	if f.got[102] != "SIGTERM " {
		t.Errorf("got signals %v, want SIGTERM for 102", f.got)
	}
	// But not if the program has refused to stop.
	f = newFake(t, Config{})
	f.onSignal(syscall.SIGTERM)
	f.after(refusedTime + 1)
	if pid := f.succeeds(); f.got[pid] != "" {
		t.Errorf("got signals %v, want none for %d", f.got, pid)
	}
}

func TestSignalsBetweenTwoStarts(t *testing.T) {
	f := newFake(t, Config{})
	f.exits(101, 1)
	f.after(0)
	f.exits(102, 1)
	f.onSignal(syscall.SIGUSR1)
	f.onSignal(syscall.SIGHUP) // start it at once
	f.after(0)
	f.wantMain(103)
	f.exits(103, 4)
	f.onSignal(syscall.SIGTERM)
	f.wantOver(4)
}

func TestKillAfter(t *testing.T) {
	f := newFake(t, Config{KillAfter: time.Minute})
	f.onSignal(syscall.SIGTERM)
	f.after(time.Minute - 1)
	if f.got[101] != "SIGTERM " {
		t.Errorf("got signals %v", f.got)
	}
	f.after(1)
	if f.got[101] != "SIGTERM SIGKILL " {
		t.Errorf("got signals %v", f.got)
	}
	f.exits(101, 137)
	f.wantOver(137)
}
