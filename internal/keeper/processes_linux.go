//go:build !restart_portable

package keeper

import (
	"fmt"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

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
		k.ended(pid, exitStatus(ws), howEnded(ws))
	}
	for _, p := range k.generations() {
		if p.PIDFD >= 0 && readable(p.PIDFD, 0) && !k.sys.isChild(p.PID) {
			k.receive()
			k.ended(p.PID, StatusFailed, "exit status not known: it was no child of the keeper")
		}
	}
	if k.terminal != nil && k.Main != nil && isStopped(k.Main.PID) {
		k.suspend()
	}
}

// exitStatus returns the exit status by which a shell would name the end of a process.
func exitStatus(ws unix.WaitStatus) int {
	if ws.Signaled() {
		return 128 + int(ws.Signal())
	}
	return ws.ExitStatus()
}

// howEnded is exitStatus in words.
func howEnded(ws unix.WaitStatus) string {
	if ws.Signaled() {
		return "killed by " + signalName(ws.Signal())
	}
	return fmt.Sprintf("exit status %d", ws.ExitStatus())
}

// ended takes note of the end of a process.
func (k *keeper) ended(pid, status int, how string) {
	switch {
	case k.isMain(pid):
		k.mainEnded(status, how)
	case k.findEarlier(pid) != nil:
		k.findEarlier(pid).close()
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
	p := k.Main
	p.close()
	k.Main, k.Status = nil, status
	ran := k.sys.now().Sub(p.Since)
	if k.Stop == 0 && !p.Stopping && !isWanted(status) {
		if ran >= steady {
			k.Crashes = 0
		}
		k.crashed(p.PID, "ended", how, "after", ran)
		return
	}
	k.log.Info("restart-keeper: the program has ended", "pid", p.PID, "ended", how)
	k.end()
}

// isWanted reports whether somebody wanted a program to end that has this exit
// status: it has succeeded, or got a signal that a terminal or a person sends.
func isWanted(status int) bool {
	switch status {
	case 0, 128 + int(syscall.SIGHUP), 128 + int(syscall.SIGINT), 128 + int(syscall.SIGTERM):
		return true
	}
	return false
}

// crashed starts the program again, in a while, unless it has crashed too often.
// The log gets why, key by key.
func (k *keeper) crashed(pid int, why ...any) {
	k.Crashes++
	args := append([]any{"pid", pid, "crash", k.Crashes}, why...)
	if k.cfg.CrashLimit > 0 && k.Crashes >= k.cfg.CrashLimit {
		k.log.Error("restart-keeper: the program has crashed too often, giving up", args...)
		k.end()
		return
	}
	in := delay(k.Crashes)
	if len(k.Earlier) > 0 {
		in = max(in, claimTime)
	}
	k.StartAt = k.sys.now().Add(in)
	k.log.Error("restart-keeper: the program has crashed, starting it again", append(args, "in", in, "sockets", k.Store.names())...)
}

// end lets the keeper end when the last generation has.
func (k *keeper) end() {
	k.Ending = true
	k.StartAt = time.Time{}
	if len(k.Earlier) > 0 {
		var pids []int
		for _, p := range k.Earlier {
			pids = append(pids, p.PID)
		}
		k.log.Info("restart-keeper: waiting for earlier processes to end", "pids", pids)
	}
}

// watch lets the end of a process wake the keeper, which is not told of it by
// SIGCHLD if the process is not its child. Where no descriptor is free for that,
// the keeper notices the end when something else wakes it.
func (k *keeper) watch(p *process) {
	if p.PIDFD < 0 {
		return
	}
	pidfd, err := unix.FcntlInt(uintptr(p.PIDFD), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return
	}
	go func() {
		defer unix.Close(pidfd)
		readable(pidfd, -1)
		k.wake <- struct{}{}
	}()
}

// readable waits until fd can be read, no longer than timeout in milliseconds, and
// reports whether it can. A negative timeout means for ever. A pidfd can be read
// when its process has ended.
func readable(fd, timeout int) bool {
	for {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, timeout)
		if err != unix.EINTR {
			return err == nil && n > 0
		}
	}
}

// signal signals a process that has not been reaped.
func (k *keeper) signal(p *process, sig syscall.Signal) {
	if p.PIDFD >= 0 {
		_ = unix.PidfdSendSignal(p.PIDFD, sig, nil, 0) // it may have ended
		return
	}
	k.sys.kill(p.PID, sig)
}
