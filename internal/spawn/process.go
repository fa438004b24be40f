// Package spawn starts successors: which program, with what environment, as
// whose child, and what becomes of its standard error.
package spawn

import (
	"os"
	"syscall"
	"time"
)

// ChannelVar names the environment variable that holds the number of the
// descriptor through which a successor talks to its predecessor.
const ChannelVar = "RESTART_CHANNEL"

// A Parent says whose child a successor shall be.
type Parent int

const (
	// Us makes it our child, as fork(2) does.
	Us Parent = iota

	// OurParent makes it our sibling (CLONE_PARENT, clone(2)), so that a manager
	// that watches us can watch it too. We cannot wait for it then.
	OurParent
)

// A Process is a started successor. A fake one stands in for it in tests.
type Process interface {
	// PID is that of the process that was started, which under a wrapper
	// script is not the one that serves.
	PID() int

	// Signal sends sig; a process that has ended gets none.
	Signal(sig syscall.Signal)

	// Wait waits for the end, no longer than within, and reports whether it
	// came.
	Wait(within time.Duration) bool

	// Exit returns how the process ended, such as "exit status 1", and reaps it if
	// it is our child. It is empty if the process lives or that is not known.
	Exit() string

	// StopStderr stops copying the standard error of the process. What it has
	// written so far is copied.
	StopStderr()

	// Release gives up the process and returns what Exit does.
	Release() string
}

// A Greeting says the first words to a successor before there is one. They wait
// for it in the channel, whatever happens to us after the start. It borrows our
// standard error and the read end of the pipe that the successor gets instead;
// both are nil if it gets ours.
type Greeting func(stderr, pipe *os.File) error
