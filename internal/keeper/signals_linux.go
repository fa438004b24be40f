//go:build !restart_portable

package keeper

import (
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ReplaceSignal makes the keeper replace its own program, as it does systemd
// (SIGRTMIN+25, which is 59 with glibc).
const ReplaceSignal = syscall.Signal(59)

// ownSignals are not forwarded: faults of this process, what the kernel says of
// its children, its output and its terminal, and what Go uses itself.
var ownSignals = []syscall.Signal{
	syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGSEGV, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL, syscall.SIGTRAP,
	syscall.SIGABRT, syscall.SIGSYS, syscall.SIGURG, syscall.SIGPROF, syscall.SIGTTIN, syscall.SIGTTOU, 32, 33, 34,
}

// caught returns the signals that the keeper takes: not those that it was started
// to ignore, for example by nohup.
func caught() (sigs []os.Signal) {
	for sig := syscall.Signal(1); sig < 65; sig++ {
		if !slices.Contains(ownSignals, sig) && !signal.Ignored(sig) {
			sigs = append(sigs, sig)
		}
	}
	return sigs
}

// isStop reports whether a signal asks the program to stop. Such a one goes to all
// generations, as it would from a terminal or from systemd.
func isStop(sig syscall.Signal) bool {
	return sig == syscall.SIGTERM || sig == syscall.SIGINT || sig == syscall.SIGQUIT
}

func signalName(sig syscall.Signal) string {
	if n := unix.SignalName(sig); n != "" {
		return n
	}
	return fmt.Sprintf("signal %d", sig)
}

// onSignal forwards a signal to the program. A message that was sent before the
// signal may say that another process is the main one.
func (k *keeper) onSignal(sig syscall.Signal) {
	k.receive()
	switch sig {
	case syscall.SIGCHLD, syscall.SIGPIPE: // run reaps; a reader of our log has gone
		return
	case ReplaceSignal:
		k.beginReplacement()
		return
	case syscall.SIGCONT:
		k.resume()
	case syscall.SIGHUP:
		if k.terminal.isGone() {
			sig = syscall.SIGTERM // there is nobody to use the program any more
		}
	}
	if isStop(sig) {
		k.Stop, k.StopAt = sig, k.sys.now()
		if k.cfg.KillAfter > 0 && k.KillAt.IsZero() {
			k.KillAt = k.sys.now().Add(k.cfg.KillAfter)
		}
	}
	if k.Main == nil && !k.Ending {
		k.onSignalWithout(sig)
		return
	}
	pids := []int{}
	for _, p := range k.generations() {
		if p == k.Main || isStop(sig) {
			pids = append(pids, p.PID)
			k.signal(p, sig)
		}
	}
	k.log.Info("restart-keeper: signal forwarded", "signal", signalName(sig), "pids", pids)
}

// onSignalWithout is onSignal while the program does not run but is to be started.
func (k *keeper) onSignalWithout(sig syscall.Signal) {
	switch {
	case isStop(sig):
		k.log.Info("restart-keeper: the program is not started again", "signal", signalName(sig))
		k.end()
	case sig == syscall.SIGHUP:
		k.log.Info("restart-keeper: the program is started at once", "signal", signalName(sig))
		k.StartAt = k.sys.now()
	default:
		k.log.Info("restart-keeper: signal ignored, because the program does not run", "signal", signalName(sig))
	}
}

// early gets the signals of a keeper that has replaced its program, from before
// main on: Go does not leave SIGHUP, SIGINT, SIGQUIT and SIGTERM blocked, and they
// would end the process. Nil in any other process.
var early = takeEarly()

func takeEarly() chan os.Signal {
	if _, ok := os.LookupEnv(stateVar); !ok {
		return nil
	}
	signals := make(chan os.Signal, queue)
	signal.Notify(signals, caught()...)
	return signals
}

// queue is how many signals wait for the keeper. os/signal drops those beyond it.
const queue = 64

// blockSignals keeps the signals that come while this process becomes another
// program, until that one takes them.
func blockSignals() {
	var set unix.Sigset_t
	for _, sig := range caught() {
		bit := uint(sig.(syscall.Signal)) - 1
		set.Val[bit/bitsOfVal] |= 1 << (bit % bitsOfVal)
	}
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, &set, nil) // the arguments are valid
}

const bitsOfVal = uint(unsafe.Sizeof(unix.Sigset_t{}.Val[0])) * 8

// unblockSignals is for the thread that starts children: they would have the same
// signals blocked.
func unblockSignals() {
	_ = unix.PthreadSigmask(unix.SIG_SETMASK, new(unix.Sigset_t), nil)
}

// endWithKeeper makes this process stop in good order should its keeper die. The
// first generation does so anyway; a successor is started by another process.
func endWithKeeper() {
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGTERM), 0, 0, 0) // the arguments are valid
}
