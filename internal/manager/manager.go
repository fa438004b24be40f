// Package manager is the seam between a Restarter and the program that watches
// its process: systemd, or a parent that keeps its PID. Today's answer to all
// of it is [Nobody].
package manager

import "example.com/restart/internal/spawn"

// A Manager is told of the life of a process, in this order: Starting, Serving,
// then any number of Restarting and Failed, then either Replaced or Stopping.
// The calls come from one goroutine and must not block for long. A successor
// that never takes over calls Starting only.
type Manager interface {
	// Starting says that services start. A predecessor may serve.
	Starting()

	// Serving says that this process accepts. A manager that has been told by
	// the predecessor's Replacing knows that already.
	Serving()

	// Restarting says that a successor is about to be started.
	Restarting()

	// Replacing says that the successor with this PID is ready to accept, and
	// will as soon as Replacing returns nil. After an error the restart fails.
	// It is called by the goroutine of the attempt.
	Replacing(pid int) error

	// Failed says that the restart failed, also after Replacing, and that this
	// process serves on.
	Failed(err error)

	// Replaced says that the successor accepts and that this process drains.
	Replaced(pid int)

	// Stopping says that this process drains and nobody follows it.
	Stopping()

	// Parent says whose child a successor shall be.
	Parent() spawn.Parent

	// Orphan says what a successor does when its predecessor dies before it
	// has taken over.
	Orphan() Orphan
}

// An Orphan says what a successor does whose predecessor has died.
type Orphan int

const (
	// TakeOver lets it serve: otherwise nobody does.
	TakeOver Orphan = iota

	// Exit lets it end, because the manager starts the program again and two
	// would serve.
	Exit
)

// Nobody watches the process.
type Nobody struct{}

// Starting does nothing.
func (Nobody) Starting() {}

// Serving does nothing.
func (Nobody) Serving() {}

// Restarting does nothing.
func (Nobody) Restarting() {}

// Replacing agrees.
func (Nobody) Replacing(int) error { return nil }

// Failed does nothing.
func (Nobody) Failed(error) {}

// Replaced does nothing.
func (Nobody) Replaced(int) {}

// Stopping does nothing.
func (Nobody) Stopping() {}

// Parent returns Us.
func (Nobody) Parent() spawn.Parent { return spawn.Us }

// Orphan returns TakeOver.
func (Nobody) Orphan() Orphan { return TakeOver }
