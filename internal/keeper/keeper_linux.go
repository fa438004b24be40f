//go:build !restart_portable

package keeper

import (
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Supported reports whether this platform can have a keeper.
const Supported = true

// Run keeps the program until it has ended for good, and returns the status that
// this process is to exit with.
func Run(cfg Config) int {
	// A child is told of the end of the thread that started it, and what is
	// blocked in that thread is blocked in the child. So one thread starts them
	// all, and it lives as long as the process.
	runtime.LockOSThread()
	if cfg.CrashLimit == 0 {
		cfg.CrashLimit = DefaultCrashLimit
	}
	if _, check := os.LookupEnv(checkVar); check {
		return checkState()
	}
	k := &keeper{cfg: cfg, log: cfg.Logger, sys: realSystem(), signals: early, wake: make(chan struct{})}
	if err := k.open(); err != nil {
		k.log.Error("restart-keeper: cannot keep the program", "error", err)
		return StatusFailed
	}
	return k.run()
}

// open takes what a keeper needs from the process, or from the keeper that this
// one replaces.
func (k *keeper) open() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return os.NewSyscallError("prctl(PR_SET_CHILD_SUBREAPER)", err)
	}
	k.terminal = openTerminal()
	k.upstream = os.Getenv("NOTIFY_SOCKET")
	restored, err := k.restore()
	if err != nil {
		return err
	}
	if !restored {
		if k.Socket, err = listen(); err != nil {
			return err
		}
		k.Store.inherit()
		k.StartAt = k.sys.now()
	}
	if k.signals == nil {
		k.signals = make(chan os.Signal, queue)
		signal.Notify(k.signals, caught()...)
	}
	unblockSignals()
	go k.awaitMessages(k.Socket.FD)
	if restored {
		k.log.Info("restart-keeper: the keeper has replaced its own program", "pid", os.Getpid())
	}
	return nil
}

// A keeper is the state of this process. All its methods run on one goroutine,
// but for those that say otherwise.
type keeper struct {
	state

	cfg      Config
	log      *slog.Logger
	sys      system
	terminal *terminal // nil: there is none
	upstream string    // the notify socket of our own manager, empty if it has none

	signals chan os.Signal
	wake    chan struct{}

	leftAt  time.Time      // when to lose patience with what the program has left behind
	leftSig syscall.Signal // what it has got

	check     int       // PID of the program that is asked whether it can replace us, 0: none
	checkAt   time.Time // when to lose patience with it
	justEnded int       // PID that has been reaped, while messages sent before are read
	refused   int       // the last process of ours whose message was refused
}

// run returns when neither the program nor anything that it left behind runs.
func (k *keeper) run() int {
	for {
		k.receive()
		k.reap()
		k.onTime()
		if k.isOver() {
			k.terminal.takeBack(k.Group)
			k.log.Info("restart-keeper: exiting", "status", k.Status)
			return k.Status
		}
		var timer <-chan time.Time
		if next := k.deadline(); !next.IsZero() {
			timer = time.After(next.Sub(k.sys.now()))
		}
		select {
		case sig := <-k.signals:
			k.onSignal(sig.(syscall.Signal))
		case <-k.wake:
		case <-timer:
		}
	}
}

// deadline returns when something is to be done, zero if nothing is.
func (k *keeper) deadline() (first time.Time) {
	for _, t := range []time.Time{k.StartAt, k.KillAt, k.leftAt, k.checkAt, k.watchdogAt()} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// onTime does what is due.
func (k *keeper) onTime() {
	now := k.sys.now()
	due := func(t time.Time) bool { return !t.IsZero() && !now.Before(t) }
	if due(k.StartAt) {
		k.StartAt = time.Time{}
		k.start()
	}
	if due(k.watchdogAt()) {
		k.endSilent()
	}
	if due(k.KillAt) {
		k.KillAt = time.Time{}
		left := k.sys.children()
		k.log.Error("restart-keeper: the program has not stopped in time, killing it", "pids", left, "within", k.cfg.KillAfter)
		for _, pid := range left {
			k.sys.kill(pid, syscall.SIGKILL)
		}
		k.end()
	}
	if due(k.checkAt) {
		k.sys.kill(k.check, syscall.SIGKILL)
		k.checkAt = time.Time{}
	}
}

func (k *keeper) watchdogAt() time.Time {
	if k.cfg.Watchdog <= 0 || k.Main == nil || !k.Main.Ready {
		return time.Time{}
	}
	return k.Main.Alive.Add(k.cfg.Watchdog)
}

// endSilent ends a main process that gives no sign of life.
func (k *keeper) endSilent() {
	k.log.Error("restart-keeper: no sign of life, ending the program", "pid", k.Main.PID, "within", k.cfg.Watchdog)
	k.signal(k.Main, syscall.SIGABRT)
	k.Main.Ready = false // and not again
}

// isOver reports whether nothing is left to wait for. It ends what the program
// has left behind when its generations have ended.
func (k *keeper) isOver() bool {
	if !k.Ending || k.Main != nil || len(k.Earlier) > 0 {
		return false
	}
	left := k.sys.children()
	if len(left) == 0 {
		return true
	}
	now := k.sys.now()
	switch {
	case k.leftSig == 0:
		k.leftSig = syscall.SIGTERM
	case now.Before(k.leftAt):
		return false
	case k.leftSig == syscall.SIGTERM:
		k.leftSig = syscall.SIGKILL
	default:
		k.log.Error("restart-keeper: processes that cannot be killed are left behind", "pids", left)
		return true
	}
	k.leftAt = now.Add(leftTime)
	k.log.Warn("restart-keeper: the program has left processes behind, ending them", "pids", left, "signal", signalName(k.leftSig))
	for _, pid := range left {
		k.sys.kill(pid, k.leftSig)
	}
	return false
}
