package keeper

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"example.com/restart/internal/spawn"
)

const (
	// Var is what an operator sets to have a program kept that can be: 1 or 0.
	Var = "RESTART_KEEPER"

	// selfVar makes a program its own keeper, before its main runs.
	selfVar = "RESTART_KEEPER_SELF"

	// keptVar is what the program gets: the PID of its keeper.
	keptVar = "RESTART_KEPT"

	// stateVar holds the descriptor of the state that a keeper leaves to the
	// program which replaces it, checkVar that this program shall only try to
	// read it.
	stateVar = "RESTART_KEEPER_STATE"
	checkVar = "RESTART_KEEPER_CHECK"

	// execVar holds the program that a copy of the keeper shall become.
	execVar = "RESTART_KEEPER_EXEC"
)

// A Choice is what a program says of keepers.
type Choice int

const (
	Automatic Choice = iota // in the first process of a container
	Always
	Never
)

// Decide reports whether this process is to be a keeper. It removes what a keeper
// has told it from the environment, so that processes which the program starts
// do not take it for theirs.
func Decide(choice Choice) (bool, error) {
	_, successor := os.LookupEnv(spawn.ChannelVar)
	kept := os.Getenv(keptVar) == strconv.Itoa(os.Getppid())
	_ = os.Unsetenv(keptVar) // cannot fail
	if kept && os.Getenv("LISTEN_FDS") != "" && os.Getenv("LISTEN_PID") == "" {
		// Before this process existed, the keeper could not know its PID.
		_ = os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid())) // the name is valid
	}
	if kept {
		endWithKeeper()
	}
	if kept || successor || choice == Never {
		return false, nil
	}
	switch v := os.Getenv(Var); v {
	case "":
		return choice == Always || os.Getpid() == 1, nil
	case "0":
		return false, nil
	case "1":
		return true, nil
	default:
		return false, fmt.Errorf("the environment says %s=%q: set it to 1 or 0", Var, v)
	}
}

// ours names what a manager tells the keeper, or the keeper another keeper.
var ours = map[string]bool{
	"NOTIFY_SOCKET": true, "FDSTORE": true, "WATCHDOG_USEC": true, "WATCHDOG_PID": true, "SYSTEMD_EXEC_PID": true,
	"LISTEN_PID": true, "LISTEN_PIDFDID": true, "LISTEN_FDS": true, "LISTEN_FDNAMES": true,
	Var: true, selfVar: true, keptVar: true, stateVar: true, checkVar: true, execVar: true,
}

// environ returns base without what is ours, and with the values of the keeper.
func environ(base []string, values ...string) []string {
	env := slices.DeleteFunc(slices.Clone(base), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return ours[name]
	})
	return append(env, values...)
}
