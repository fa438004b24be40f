// Package inprocess lets package restarttest make Restarters that have no process of
// their own. The root package registers a constructor for them here, and so needs no
// exported name that is for tests only.
package inprocess

import (
	"context"
	"net"
	"os"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/spawn"
)

// A Host stands in for the process of a Restarter.
type Host struct {
	// Inherit returns the channel to the predecessor, nil if there is none.
	Inherit func() (*channel.Conn, error)

	// Start starts a successor with its end of the channel, which it borrows.
	Start func(spawn.Command, spawn.Parent, *os.File, *spawn.Tail, spawn.Greeting) (spawn.Process, error)

	// Notify and Stop are those of package os/signal.
	Notify func(chan<- os.Signal, ...os.Signal)
	Stop   func(chan<- os.Signal)

	// Lifeline returns the read end, which it lends, of the pipe that ends with
	// the process.
	Lifeline func() (*os.File, error)

	// Listen opens a listening socket. Nil stands for a real one.
	Listen func(context.Context, net.ListenConfig, string, string) (gate.Socket, sockaddr.Path, error)

	// Refusal is why the process cannot be replaced, nil if it can.
	Refusal error
}

// A Constructor makes a Restarter R with options O. Exit closes what the kernel
// closes at the end of a process: sockets, connections and channels. If Run was
// called, it returns soon afterwards. It does not touch the files of other processes.
type Constructor[O, R any] func(O, Host) (r R, exit func(), err error)

var constructor any // a Constructor of types that this package cannot name

// Register is called once, when the root package is initialised.
func Register[O, R any](c Constructor[O, R]) { constructor = c }

// New returns what was given to Register.
func New[O, R any]() Constructor[O, R] { return constructor.(Constructor[O, R]) }
