//go:build !restart_portable

package manager

import (
	"errors"
	"os"
	"strconv"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"

	"example.com/restart/internal/spawn"
)

// Find returns the manager of this process, by what the environment says. Call it
// before the channel to the predecessor is taken from the environment.
func Find() Manager {
	if socket := os.Getenv("NOTIFY_SOCKET"); socket != "" {
		return &Notified{socket: socket, every: watchdog() / 2, wrapper: wrapper(socket)}
	}
	if isMainProcess() {
		return Unnotified{}
	}
	if os.Getpid() == 1 {
		return First{}
	}
	return Nobody{}
}

// First is the first process of a container and nobody else's business: when it
// exits, the kernel kills all others, and so its successor.
type First struct{ Nobody }

// Refusal says what to do instead.
func (First) Refusal() error { return errFirst }

var errFirst = errors.New("restart: this process is PID 1 of its container, which would end with it, the successor included: " +
	"give it a keeper (without Options.Keeper = KeeperNever and RESTART_KEEPER=0 it has one), or run it below restart-keeper")

// watchdog returns how long systemd waits for a sign of life, 0 if it does not
// wait for one from this process. In a successor the variable WATCHDOG_PID is
// missing, which means any process. It is set again for other code that asks.
func watchdog() time.Duration {
	within, err := daemon.SdWatchdogEnabled(false)
	if err != nil || within <= 0 {
		return 0
	}
	_ = os.Setenv("WATCHDOG_PID", strconv.Itoa(os.Getpid())) // the name is valid
	return within
}

// isMainProcess reports whether systemd started this process. Versions before
// 248 do not say which process they mean.
func isMainProcess() bool {
	if _, successor := os.LookupEnv(spawn.ChannelVar); successor {
		return false
	}
	if pid, ok := os.LookupEnv("SYSTEMD_EXEC_PID"); ok {
		return pid == strconv.Itoa(os.Getpid())
	}
	return os.Getenv("INVOCATION_ID") != "" && os.Getppid() == 1
}

// Unnotified is systemd running a unit in which it cannot be told of a new main
// process. When the old one exited, systemd would end the new one.
type Unnotified struct{ Nobody }

// Refusal returns the lines that the unit needs.
func (Unnotified) Refusal() error { return errUnnotified }

var errUnnotified = errors.New(`restart: systemd runs this process and would end its successor, because the unit does not let the process notify systemd: ` +
	`set "Type=notify" in the [Service] section of the unit (or, for another Type, add "NotifyAccess=main"), then run "systemctl daemon-reload" and restart the unit`)
