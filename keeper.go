package restart

import (
	"fmt"

	"example.com/restart/internal/keeper"
)

// A Keeper says whether New puts a parent above the program that keeps its PID
// across restarts: the keeper. See docs/containers.md for where one is needed.
//
// Where a keeper is wanted, New does not return in the process that was started.
// That process executes its binary again and, before main, becomes the keeper. The
// keeper starts the binary once more, with the same arguments, as the program. There
// New returns as usual. The keeper forwards signals to the serving process, reaps
// orphans, starts the program again after a crash with the listeners that it has
// kept, and exits with the status of the last process. It logs to standard error.
//
// So the part of main before New runs twice, in one process after the other: call
// New early. The command restart-keeper keeps any program without that repetition.
//
// An operator decides with the environment: RESTART_KEEPER=1 is KeeperAlways, and
// RESTART_KEEPER=0 is KeeperNever. Keepers are Linux only; elsewhere this option
// has no effect.
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

func (k Keeper) check() error {
	if k < KeeperAutomatic || k > KeeperNever {
		return fmt.Errorf("restart: Options.Keeper is %d: want KeeperAutomatic, KeeperAlways or KeeperNever", k)
	}
	return nil
}

// keep does not return if this process is to become a keeper, unless that fails.
func (o Options) keep() error {
	if err := o.Keeper.check(); err != nil {
		return err
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
		return fmt.Errorf("restart: become the keeper of the program: %w", keeper.Become())
	}
	return nil
}
