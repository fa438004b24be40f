//go:build !restart_portable

package keeper

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What one keeper knows the next one knows.
func TestState(t *testing.T) {
	f := newFake(t, Config{})
	f.says(101, "READY=1")
	f.succeeds()
	f.onSignal(syscall.SIGTERM)
	f.says(102, "STOPPING=1")
	memory, err := f.save()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(stateVar, strconv.Itoa(memory))
	k := &keeper{cfg: f.cfg, log: f.log, sys: f.sys}
	if ok, err := k.restore(); !ok || err != nil {
		t.Fatalf("got %v, %v", ok, err)
	}
	if got := k.state; got.Socket != f.Socket || got.Main.PID != 102 || !got.Main.Ready ||
		!got.Main.Stopping || len(got.Earlier) != 1 || got.Stop != syscall.SIGTERM || !got.Begun {
		t.Errorf("got %+v, want %+v", got, f.state)
	}
	if _, ok := os.LookupEnv(stateVar); ok {
		t.Error("the program would take the state for its own")
	}
	for _, bad := range []string{"x", "-1", "987654"} {
		t.Setenv(stateVar, bad)
		if _, err := readState(); err == nil || !strings.Contains(err.Error(), "read state of the keeper") {
			t.Errorf("%s: got %v", bad, err)
		}
	}
}

// The next keeper is woken by the end of an earlier process that is not its child.
func TestEndAfterAReplacementIsSeen(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer stdin.Close()
	pidfd, err := unix.PidfdOpen(cmd.Process.Pid, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pidfd)
	f := newFake(t, Config{})
	f.Earlier = []*process{{PID: cmd.Process.Pid, PIDFD: pidfd}}
	memory, err := f.save()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv(stateVar, strconv.Itoa(memory))
	k := &keeper{cfg: f.cfg, log: f.log, sys: f.sys, wake: make(chan struct{})}
	if _, err := k.restore(); err != nil {
		t.Fatal(err)
	}
	stdin.Close()
	select {
	case <-k.wake:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing has woken the keeper")
	}
}
