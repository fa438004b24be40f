package restart

import (
	"fmt"

	"example.com/restart/internal/keeper"
)

// A Keeper says whether New puts a parent above the program that keeps its PID
// across restarts: the keeper. See docs/containers.md for where one is needed.
//
// Where it is, New does not return in the process that was started. That executes
// its binary anew, becomes the keeper before main, and starts itself again, with
// the same arguments, as the program: there New returns as usual. The keeper
// forwards signals to the serving process, reaps orphans, starts the program again
// after a crash with the listeners that it has kept, and exits with the status of
// the last process. It logs to standard error.
//
// What main does before New it does twice, one after the other, so call New early.
// The command restart-keeper keeps any program, and begins with it once.
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

func (k Keeper) check() error {
	if k < KeeperAutomatic || k > KeeperNever {
		return fmt.Errorf("restart: Options.Keeper is %d: want KeeperAutomatic, KeeperAlways or KeeperNever", k)
	}
	return nil
}

// keep returns only an error if this process is to be a keeper.
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
