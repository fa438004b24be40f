// Package keeper is a small parent for places where a PID must stay the same: the
// first process of a container, a program under supervisord or runit, a command
// in a terminal. It starts the program and is to it what systemd is to a unit of
// type notify: it owns the socket of sd_notify(3), follows the main process from
// one generation to the next, and keeps listeners for the program that it starts
// after a crash.
//
// One goroutine owns the state, and keeper.run shows what wakes it.
package keeper

import (
	"log/slog"
	"time"

	"example.com/restart/internal/spawn"
)

// A Config configures a keeper.
type Config struct {
	// Program returns what to start. It is asked for each start, so that a
	// program which was replaced on disk is found.
	Program func() (spawn.Command, error)

	// Helper says that the program may know nothing of this package. If it is to
	// get descriptors, a copy of this process starts, and calls Exec. Otherwise
	// the program calls Decide.
	Helper bool

	// CrashLimit is how many crashes in a row end the keeper. Zero means
	// DefaultCrashLimit; negative means that it never gives up.
	CrashLimit int

	// KillAfter is how long after a signal that stops the program all its
	// processes are killed. Zero means never.
	KillAfter time.Duration

	// Watchdog is how long a program that is ready may be without a sign of life
	// before it is ended by SIGABRT. Zero means for ever.
	Watchdog time.Duration

	Logger *slog.Logger
}

// DefaultCrashLimit is the limit of a zero CrashLimit. With the delays between
// them so many crashes take a quarter of a minute.
const DefaultCrashLimit = 10

const (
	// A program that has run for so long begins to count its crashes anew.
	steady = 10 * time.Second

	// The first start after a crash comes at once, the second after minDelay.
	// From there the delay doubles, up to maxDelay.
	minDelay = 100 * time.Millisecond
	maxDelay = 5 * time.Second

	// A main process that has died may have an earlier one that takes the service
	// back: the restart had not come to its end. That one gets so much time to say
	// so.
	claimTime = 250 * time.Millisecond

	// A program that begins a restart so long after a signal to stop has refused to
	// stop.
	refusedTime = 10 * time.Second

	// Processes that the program leaves behind get so much time to end.
	leftTime = 5 * time.Second
)

// delay returns how long to wait before the start that follows so many crashes.
func delay(crashes int) time.Duration {
	if crashes <= 1 {
		return 0
	}
	return min(minDelay<<min(crashes-2, 16), maxDelay)
}

// Exit statuses of a keeper that has not got one from the program. They are those
// of timeout(1), env(1) and the shell.
const (
	StatusFailed        = 125 // the keeper itself has failed
	StatusNotExecutable = 126 // the program cannot be executed
	StatusNotFound      = 127 // the program is not there
)
