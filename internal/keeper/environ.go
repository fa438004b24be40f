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
	// Var is set by an operator: 1 for a keeper, 0 for none.
	Var = "RESTART_KEEPER"

	// selfVar makes a program its own keeper, before its main runs.
	selfVar = "RESTART_KEEPER_SELF"

	// keptVar tells the program the PID of its keeper.
	keptVar = "RESTART_KEPT"

	// stateVar holds the descriptor of the state that a keeper leaves to the
	// program that replaces it. checkVar says that this program is only to try to
	// read the state.
	stateVar = "RESTART_KEEPER_STATE"
	checkVar = "RESTART_KEEPER_CHECK"

	// execVar holds the path of the program that a copy of the keeper is to become.
	execVar = "RESTART_KEEPER_EXEC"
)

// A Choice says where a program wants a keeper.
type Choice int

const (
	Automatic Choice = iota // in the first process of a container
	Always                  // everywhere
	Never                   // nowhere
)

// Decide reports whether this process is to be a keeper. It removes from the
// environment what a keeper has told this process, so that processes that the program
// starts do not take it for theirs.
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

// ownVars are those by which a manager tells something to the keeper, or the keeper to
// another keeper.
var ownVars = map[string]bool{
	"NOTIFY_SOCKET": true, "FDSTORE": true, "WATCHDOG_USEC": true, "WATCHDOG_PID": true, "SYSTEMD_EXEC_PID": true,
	"LISTEN_PID": true, "LISTEN_PIDFDID": true, "LISTEN_FDS": true, "LISTEN_FDNAMES": true,
	Var: true, selfVar: true, keptVar: true, stateVar: true, checkVar: true, execVar: true,
}

// environ returns base without ownVars and with values.
func environ(base []string, values ...string) []string {
	env := slices.DeleteFunc(slices.Clone(base), func(kv string) bool {
		name, _, _ := strings.Cut(kv, "=")
		return ownVars[name]
	})
	return append(env, values...)
}
