//go:build !restart_portable

package keeper

import (
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"slices"
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
		if k.socket, err = listen(); err != nil {
			return err
		}
		k.store.inherit()
		k.startAt = k.sys.now()
	}
	if k.signals == nil {
		k.signals = make(chan os.Signal, queue)
		signal.Notify(k.signals, caught()...)
	}
	unblockSignals()
	go k.awaitMessages(k.socket.fd)
	if restored {
		k.log.Info("restart-keeper: the keeper has replaced its own program", "pid", os.Getpid())
	}
	return nil
}

// A keeper is the state of this process. All its methods run on one goroutine,
// but for those that say otherwise.
type keeper struct {
	cfg      Config
	log      *slog.Logger
	sys      system
	socket   socket
	store    store
	terminal *terminal // nil: there is none
	upstream string    // where systemd listens, empty if it started us without

	signals chan os.Signal
	wake    chan struct{}

	main    *process   // nil while none runs
	earlier []*process // have been the main process, and still run
	group   int        // process group of the program, 0: ours
	begun   bool       // the program has been started once

	crashes int       // in a row
	startAt time.Time // when the program is to be started; zero: not
	status  int       // of the last main process that has ended
	ending  bool      // the program is not started again

	stop    syscall.Signal // has been asked to stop by this signal, 0: not
	stopAt  time.Time
	killAt  time.Time      // when to kill what is left then; zero: never
	leftAt  time.Time      // when to lose patience with what the program has left behind
	leftSig syscall.Signal // what it has got

	check     int       // PID of the program that is asked whether it can replace us, 0: none
	checkAt   time.Time // when to lose patience with it
	justEnded int       // PID that has been reaped, while messages sent before are read
	refused   int       // the last process of ours whose message was refused
}

// A process is one that is or was the main process.
type process struct {
	pid      int
	pidfd    int       // -1: it is our child, and we reap it
	since    time.Time // when it became the main process
	ready    bool
	stopping bool
	alive    time.Time // its last sign of life
}

func (p *process) close() {
	if p.pidfd >= 0 {
		unix.Close(p.pidfd)
	}
}

// run returns when neither the program nor anything that it left behind runs.
func (k *keeper) run() int {
	for {
		k.receive()
		k.reap()
		k.onTime()
		if k.isOver() {
			k.terminal.takeBack(k.group)
			k.log.Info("restart-keeper: exiting", "status", k.status)
			return k.status
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
	for _, t := range []time.Time{k.startAt, k.killAt, k.leftAt, k.checkAt, k.watchdogAt()} {
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
	if due(k.startAt) {
		k.startAt = time.Time{}
		k.start()
	}
	if due(k.watchdogAt()) {
		k.endSilent()
	}
	if due(k.killAt) {
		k.killAt = time.Time{}
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
	if k.cfg.Watchdog <= 0 || k.main == nil || !k.main.ready {
		return time.Time{}
	}
	return k.main.alive.Add(k.cfg.Watchdog)
}

// endSilent ends a main process that gives no sign of life.
func (k *keeper) endSilent() {
	k.log.Error("restart-keeper: no sign of life, ending the program", "pid", k.main.pid, "within", k.cfg.Watchdog)
	k.signal(k.main, syscall.SIGABRT)
	k.main.ready = false // and not again
}

// isOver reports whether nothing is left to wait for. It ends what the program
// has left behind when its generations have ended.
func (k *keeper) isOver() bool {
	if !k.ending || k.main != nil || len(k.earlier) > 0 {
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
	k.log.Warn("restart-keeper: the program has left processes behind, ending them", "pids", left, "signal", name(k.leftSig))
	for _, pid := range left {
		k.sys.kill(pid, k.leftSig)
	}
	return false
}

// generations returns the processes that are or were the main one.
func (k *keeper) generations() []*process {
	ps := slices.Clone(k.earlier)
	if k.main != nil {
		ps = append(ps, k.main)
	}
	return ps
}

// isEarlier returns the process if it was the main one and still runs.
func (k *keeper) isEarlier(pid int) *process {
	if i := slices.IndexFunc(k.earlier, func(p *process) bool { return p.pid == pid }); i >= 0 {
		return k.earlier[i]
	}
	return nil
}

func (k *keeper) forget(pid int) {
	k.earlier = slices.DeleteFunc(k.earlier, func(p *process) bool { return p.pid == pid })
}
