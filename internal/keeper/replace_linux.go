//go:build !restart_portable

package keeper

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/spawn"
)

// The keeper replaces its own program by execve(2): PID, children and descriptors
// stay, and a file in memory holds its state. Before, it starts the new program
// once, to see whether that can read the state: a keeper that dies takes a
// container with it.

// checkTime is how long the new program may take to read the state.
const checkTime = 10 * time.Second

// beginReplacement starts the check of the new program, see checked.
func (k *keeper) beginReplacement() {
	if k.check != 0 {
		return
	}
	memory, err := k.save()
	if err == nil {
		defer unix.Close(memory)
		c := spawn.Again(spawn.ProgramPath())
		k.check, err = k.sys.fork(c.Path, c.Args, &syscall.ProcAttr{
			Env:   append(c.Env, stateVar+"=3", checkVar+"=1"),
			Files: []uintptr{0, 1, 2, uintptr(memory)},
			Sys:   &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL},
		})
	}
	if err != nil {
		k.notReplaced(err)
		return
	}
	k.checkAt = k.sys.now().Add(checkTime)
}

// checkState is what the new program does in the check. It returns the exit
// status.
func checkState() int {
	if _, err := readState(); err != nil {
		fmt.Fprintln(os.Stderr, "restart-keeper:", err)
		return StatusFailed
	}
	return 0
}

// checked takes the exit status of the check, and replaces the program if that
// was good. It returns only if the program is not replaced.
func (k *keeper) checked(status int) {
	k.check, k.checkAt = 0, time.Time{}
	err := fmt.Errorf("the new program cannot read the state: exit status %d", status)
	if status == 0 {
		err = k.replace()
	}
	k.notReplaced(err)
}

func (k *keeper) replace() error {
	for len(k.signals) > 0 { // they would be lost
		k.onSignal((<-k.signals).(syscall.Signal))
	}
	memory, err := k.save()
	if err != nil {
		return err
	}
	defer unix.Close(memory)
	fds := append(k.descriptors(), memory)
	c := spawn.Again(spawn.ProgramPath())
	blockSignals()
	setCloseOnExec(fds, false)
	err = syscall.Exec(c.Path, c.Args, append(c.Env, stateVar+"="+strconv.Itoa(memory)))
	setCloseOnExec(fds, true)
	unblockSignals()
	return err
}

func (k *keeper) notReplaced(err error) {
	k.log.Error("restart-keeper: the keeper's own program cannot be replaced, it goes on", "error", err)
}
