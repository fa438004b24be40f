//go:build !restart_portable

package keeper

import (
	"log/slog"
	"os"
	"syscall"

	"example.com/restart/internal/spawn"
)

// Become makes this process the keeper of its own program. It returns only an
// error: the process executes its program anew, so that whatever that has begun
// and opened is gone, and goes no further than init.
func Become() error {
	c := spawn.Again(spawn.ProgramPath())
	if err := os.Chdir(c.Dir); err != nil && c.Dir != "" {
		return err
	}
	err := syscall.Exec(c.Path, c.Args, append(c.Env, selfVar+"=1"))
	return c.Explain(err)
}

// A keeper must have nothing of its program: an open database or a job that runs
// would be there twice. So it does not wait for main, and exits before main: nothing
// of the program has begun that a defer could end.
func init() {
	if _, ok := os.LookupEnv(selfVar); ok {
		log := slog.New(slog.NewTextHandler(os.Stderr, nil))
		os.Exit(Run(Config{Program: itself, Logger: log}))
	}
}

// itself is the command that started this process.
func itself() (spawn.Command, error) { return spawn.Again(spawn.ProgramPath()).Prepare() }
