// Package manager tells the program that watches a process, systemd or a keeper, of
// its restarts. A [Manager] is that program as a Restarter sees it, and [Find] says
// which one there is.
package manager

import (
	"log/slog"
	"syscall"

	"example.com/restart/internal/handshake"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// A Manager is told of the life of a process, in this order: Starting, Serving,
// then any number of Restarting and Failed, then Replaced, Stopping or
// GivingBack. The calls come from one goroutine and must not block for long. A
// successor that never takes over calls Starting, and GivingBack if its
// predecessor may have called Replacing.
type Manager interface {
	// Starting says that services start. A predecessor may serve. The log gets
	// the errors that the other methods do not return.
	Starting(*slog.Logger)

	// Serving says that this process accepts. A manager that has been told by
	// the predecessor's Replacing knows that already. Generation 1 has no
	// predecessor.
	Serving(generation int)

	// Restarting says that a successor is about to be started.
	Restarting()

	// Replacing says that the successor with this PID is ready to accept, and
	// will as soon as Replacing returns nil. After an error the restart fails.
	// It is called by the goroutine of the attempt.
	Replacing(pid int) error

	// Failed says that the restart failed, also after Replacing, or was refused
	// before Restarting, and that this process serves on.
	Failed(err error)

	// OnProbation says that the successor accepts, and that this process may yet
	// have to serve again. It stays the one that the manager watches. Replacing
	// and Replaced follow, or Failed.
	OnProbation(pid int)

	// Replaced says that the successor accepts and that this process drains.
	Replaced(pid int)

	// Stopping says that this process is about to end and that no other one
	// serves. It may serve on for some time before it drains.
	Stopping()

	// GivingBack says that this process ends and that its predecessor, which has
	// this PID, serves on.
	GivingBack(predecessor int)

	// Keep gives the manager a socket, borrowed, that is to outlive the process
	// should that die. It is called after Serving.
	Keep(wire.File, syscall.Conn)

	// GiveUp takes back what Keep of this or an earlier process gave. It is
	// called after Serving.
	GiveUp(wire.File)

	// Refusal returns why a restart would end the service instead of replacing
	// its process, nil if it would not.
	Refusal() error

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
func (Nobody) Starting(*slog.Logger) {}

// Serving does nothing.
func (Nobody) Serving(int) {}

// Restarting does nothing.
func (Nobody) Restarting() {}

// Replacing agrees.
func (Nobody) Replacing(int) error { return nil }

// Failed does nothing.
func (Nobody) Failed(error) {}

// OnProbation does nothing.
func (Nobody) OnProbation(int) {}

// Replaced does nothing.
func (Nobody) Replaced(int) {}

// Stopping does nothing.
func (Nobody) Stopping() {}

// GivingBack does nothing.
func (Nobody) GivingBack(int) {}

// Keep does nothing.
func (Nobody) Keep(wire.File, syscall.Conn) {}

// GiveUp does nothing.
func (Nobody) GiveUp(wire.File) {}

// Refusal returns nil.
func (Nobody) Refusal() error { return nil }

// Parent returns Us.
func (Nobody) Parent() spawn.Parent { return spawn.Us }

// Orphan returns TakeOver.
func (Nobody) Orphan() Orphan { return TakeOver }

// A Socket is one that the manager has opened or kept.
type Socket struct {
	handshake.Socket

	// FromUnit says that a socket unit has opened it. The name is the unit's
	// FileDescriptorName then.
	FromUnit bool
}
