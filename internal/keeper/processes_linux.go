//go:build !restart_portable

package keeper

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// start starts the program.
func (k *keeper) start() {
	command, err := k.cfg.Program()
	pid := 0
	if err == nil {
		pid, err = k.launch(command)
	}
	if err != nil {
		k.status = startStatus(err)
		if k.begun {
			k.crashed(0, slog.Any("error", err))
			return
		}
		k.log.Error("restart-keeper: cannot start the program", "error", err)
		k.end()
		return
	}
	k.begun = true
	now := k.sys.now()
	k.main = &process{pid: pid, pidfd: -1, since: now, alive: now}
	k.log.Info("restart-keeper: started", "pid", pid, "program", command.File(), "sockets", k.store.names())
}

// startStatus returns the exit status of a program that does not start.
func startStatus(err error) int {
	if errors.Is(err, fs.ErrNotExist) {
		return StatusNotFound
	}
	return StatusNotExecutable
}

// reap takes note of every child that has ended. A message that it sent before is
// read first: its last words may be that another process is the main one.
func (k *keeper) reap() {
	for {
		var ws unix.WaitStatus
		pid, err := k.sys.reap(&ws)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		k.justEnded = pid
		k.receive()
		k.justEnded = 0
		k.ended(pid, exitStatus(ws), how(ws))
	}
	for _, p := range k.generations() {
		if p.pidfd >= 0 && hasEnded(p.pidfd) && !k.sys.isChild(p.pid) {
			k.receive()
			k.ended(p.pid, StatusFailed, "exit status not known: it was no child of the keeper")
		}
	}
	if k.terminal != nil && k.main != nil && isStopped(k.main.pid) {
		k.suspend()
	}
}

// exitStatus is what a shell says of a process.
func exitStatus(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

func how(ws unix.WaitStatus) string {
	if ws.Signaled() {
		return "killed by " + name(ws.Signal())
	}
	return fmt.Sprintf("exit status %d", ws.ExitStatus())
}

// ended takes note of the end of a process.
func (k *keeper) ended(pid, status int, how string) {
	switch {
	case k.main != nil && k.main.pid == pid:
		k.mainEnded(status, how)
	case k.isEarlier(pid) != nil:
		k.isEarlier(pid).close()
		k.forget(pid)
		k.log.Info("restart-keeper: an earlier process has ended", "pid", pid, "ended", how)
	case k.check == pid:
		k.checked(status)
	default:
		k.log.Debug("restart-keeper: reaped", "pid", pid, "ended", how)
	}
}

// mainEnded decides whether the program has ended or crashed.
func (k *keeper) mainEnded(status int, how string) {
	p := k.main
	p.close()
	k.main, k.status = nil, status
	ran := k.sys.now().Sub(p.since)
	if k.stop == 0 && !p.stopping && !isWish(status) {
		if ran >= steady {
			k.crashes = 0
		}
		k.crashed(p.pid, slog.String("ended", how), slog.Duration("after", ran))
		return
	}
	k.log.Info("restart-keeper: the program has ended", "pid", p.pid, "ended", how)
	k.end()
}

// isWish reports whether somebody wanted a program with this exit status to end:
// by success or by a signal that a terminal or a person sends.
func isWish(status int) bool {
	switch status {
	case 0, 128 + int(syscall.SIGHUP), 128 + int(syscall.SIGINT), 128 + int(syscall.SIGTERM):
		return true
	}
	return false
}

// crashed starts the program again, in a while.
func (k *keeper) crashed(pid int, why ...slog.Attr) {
	k.crashes++
	args := []any{"pid", pid, "crash", k.crashes}
	for _, a := range why {
		args = append(args, a)
	}
	if k.cfg.CrashLimit > 0 && k.crashes >= k.cfg.CrashLimit {
		k.log.Error("restart-keeper: the program has crashed too often, giving up", args...)
		k.end()
		return
	}
	in := delay(k.crashes)
	if len(k.earlier) > 0 {
		in = max(in, claimTime)
	}
	k.startAt = k.sys.now().Add(in)
	k.log.Error("restart-keeper: the program has crashed, starting it again", append(args, "in", in, "sockets", k.store.names())...)
}

// end lets the keeper end when the last generation has.
func (k *keeper) end() {
	k.ending = true
	k.startAt = unset
	if len(k.earlier) > 0 {
		var pids []int
		for _, p := range k.earlier {
			pids = append(pids, p.pid)
		}
		k.log.Info("restart-keeper: waiting for earlier processes to end", "pids", pids)
	}
}

// hasEnded asks the kernel without reaping.
func hasEnded(pidfd int) bool {
	fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
	n, err := unix.Poll(fds, 0)
	return err == nil && n > 0
}

// awaitEnd wakes the keeper when a process has ended that is not its child. It
// runs on a goroutine of its own, and takes pidfd, which is not ours to use.
func (k *keeper) awaitEnd(pidfd int) {
	defer unix.Close(pidfd)
	awaitInput(pidfd)
	k.wake <- struct{}{}
}

// awaitInput blocks until fd can be read.
func awaitInput(fd int) {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
		if err != unix.EINTR && (err != nil || n > 0) {
			return
		}
	}
}

// signal signals a process that has not been reaped.
func (k *keeper) signal(p *process, sig syscall.Signal) {
	if p.pidfd >= 0 {
		_ = unix.PidfdSendSignal(p.pidfd, sig, nil, 0) // it may have ended
		return
	}
	k.sys.kill(p.pid, sig)
}

// Exec turns a copy of the keeper into the program: only the process itself knows
// the PID that sd_listen_fds(3) wants in its environment. In any other process it
// does nothing.
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
