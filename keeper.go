package restart

import (
	"fmt"
	"log/slog"
	"os"

	"example.com/restart/internal/keeper"
	"example.com/restart/internal/spawn"
)

// A Keeper says whether New puts a parent above the program that keeps its PID
// across restarts: the keeper. See docs/containers.md for where one is needed.
//
// Where it is, New does not return in the process that was started. That becomes
// the keeper and starts itself again, with the same arguments, as the program. It
// forwards signals to the serving process, reaps orphans, starts the program again
// after a crash with the listeners that it has kept, and exits with the status of
// the last process. In the program New returns as usual.
//
// The keeper is the same binary, stopped within New: whatever the program has done
// before, it has done twice, and goroutines that it has started run on in the
// keeper. So call New first. The command restart-keeper keeps any program.
//
// An operator decides with the environment: RESTART_KEEPER=1 is KeeperAlways, and
// RESTART_KEEPER=0 is KeeperNever. It is Linux only; elsewhere there is no keeper.
type Keeper int

const (
	// KeeperAutomatic keeps a program whose PID is 1, the first process of a
	// container.
	KeeperAutomatic Keeper = iota

	// KeeperAlways keeps every program, also one in a terminal.
	KeeperAlways

	// KeeperNever keeps none, whatever the environment says. PID 1 can then not be
	// restarted.
	KeeperNever
)

// keep does not return if this process is to be a keeper.
func (o Options) keep() error {
	if o.Keeper < KeeperAutomatic || o.Keeper > KeeperNever {
		return fmt.Errorf("restart: Options.Keeper is %d: want KeeperAutomatic, KeeperAlways or KeeperNever", o.Keeper)
	}
	if !keeper.Supported {
		return nil
	}
	wanted, err := keeper.Decide(map[Keeper]keeper.Choice{
		KeeperAutomatic: keeper.Automatic, KeeperAlways: keeper.Always, KeeperNever: keeper.Never,
	}[o.Keeper])
	if err != nil {
		return fmt.Errorf("restart: %w", err)
	}
	if wanted {
		log := o.Logger
		if log == nil {
			log = slog.Default()
		}
		os.Exit(keeper.Run(keeper.Config{Program: itself, Logger: log}))
	}
	return nil
}

// itself is the command that started this process.
func itself() (spawn.Command, error) { return spawn.Again(spawn.ProgramPath()).Prepare() }
