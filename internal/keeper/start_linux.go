//go:build !restart_portable

package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/spawn"
)

// start starts the program.
func (k *keeper) start() {
	command, err := k.cfg.Program()
	pid := 0
	if err == nil {
		pid, err = k.launch(command)
	}
	if err != nil {
		k.Status = startStatus(err)
		if k.Begun {
			k.crashed(0, "error", err)
			return
		}
		k.log.Error("restart-keeper: cannot start the program", "error", err)
		k.end()
		return
	}
	k.Begun = true
	now := k.sys.now()
	k.Main = &process{PID: pid, PIDFD: -1, Since: now, Alive: now}
	k.log.Info("restart-keeper: started", "pid", pid, "program", command.File(), "sockets", k.Store.names())
}

// startStatus returns the exit status of a program that does not start.
func startStatus(err error) int {
	if errors.Is(err, fs.ErrNotExist) {
		return StatusNotFound
	}
	return StatusNotExecutable
}

// launch starts the program with the sockets that are kept, and gives it the
// terminal if we have that.
func (k *keeper) launch(c spawn.Command) (int, error) {
	path, values, files := c.Path, k.variables(), []uintptr{0, 1, 2}
	for _, s := range k.Store {
		files = append(files, uintptr(s.FD))
	}
	if len(k.Store) > 0 && k.cfg.Helper {
		values = append(values, execVar+"="+path)
		path = "/proc/self/exe"
	}
	attr := &syscall.ProcAttr{
		Dir: c.Dir, Env: environ(c.Env, values...), Files: files,
		Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM},
	}
	if k.terminal != nil {
		// A signal from the terminal goes to a process group. What the program gets
		// from there we must not forward, and cannot tell from what somebody sends to
		// us alone. So the program has a group of its own.
		attr.Sys.Setpgid = true
		if len(k.Earlier) > 0 {
			attr.Sys.Pgid = k.Group
		}
	}
	owned := k.terminal.isOurs(k.Group)
	pid, err := k.sys.fork(path, c.Args, attr)
	if err != nil {
		return 0, c.Explain(err)
	}
	if k.terminal != nil {
		if attr.Sys.Pgid == 0 {
			k.Group = pid
		}
		if owned {
			k.terminal.give(k.Group)
			_ = unix.Kill(-k.Group, unix.SIGCONT) // it may have read before the terminal was its own
		}
	}
	return pid, nil
}

// variables returns what the keeper says to the program by its environment.
func (k *keeper) variables() []string {
	values := []string{
		"NOTIFY_SOCKET=" + k.Socket.Name,
		"FDSTORE=" + strconv.Itoa(maxStored),
		keptVar + "=" + strconv.Itoa(os.Getpid()),
	}
	switch usec := os.Getenv("WATCHDOG_USEC"); {
	case k.cfg.Watchdog > 0:
		values = append(values, fmt.Sprintf("WATCHDOG_USEC=%d", k.cfg.Watchdog.Microseconds()))
	case usec != "" && k.upstream != "":
		values = append(values, "WATCHDOG_USEC="+usec)
	}
	if len(k.Store) > 0 {
		values = append(values, k.Store.environ()...)
	}
	return values
}

// Exec turns a copy of the keeper into the program: only the process itself knows
// the PID that sd_listen_fds(3) wants in its environment. In any other process it
// does nothing. Where the program does not start, it exits: the process is no second
// keeper, and its exit status tells the first one why.
func Exec() {
	path, ok := os.LookupEnv(execVar)
	if !ok {
		return
	}
	_ = os.Unsetenv(execVar)                             // cannot fail
	_ = os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid())) // the name is valid
	err := syscall.Exec(path, os.Args, os.Environ())     // returns only with an error
	fmt.Fprintf(os.Stderr, "restart-keeper: start %s: %v\n", path, err)
	os.Exit(startStatus(err))
}
