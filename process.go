package restart

import (
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
)

// A parentage says whose child a successor shall be.
type parentage int

const (
	// ourChild is what fork(2) gives.
	ourChild parentage = iota

	// ourSibling makes it the child of our own parent (CLONE_PARENT,
	// clone(2)), so that a manager that watches us can watch it. We cannot
	// wait for it then; nothing here relies on that.
	ourSibling
)

// A process is a started successor.
type process interface {
	pid() int
	signal(syscall.Signal)
	wait(within time.Duration) bool // for its end; whether it came
	unfollow()                      // stops copying its standard error
	release() string                // lets go of it; how it ended, "" if unknown
}

// A greeting says the first words to a successor before there is one: they wait
// for it in the channel. It borrows the real standard error and the read end of
// the pipe that the successor has instead; both are nil if it has ours.
type greeting func(real, pipe *os.File) error

// A system is what a Restarter asks of the operating system, so that tests can
// stand in for it.
type system struct {
	program string // what a restart starts

	// inherit returns the channel to the predecessor, nil if there is none.
	inherit func() (*channel.Conn, error)

	// spawn starts a successor with its end of the channel, which it borrows.
	spawn func(Command, *os.File, *tail, greeting) (process, error)

	notify func(chan<- os.Signal, ...os.Signal)
	stop   func(chan<- os.Signal)

	// running counts the Restarters that run. Each gets every signal, so where
	// there are two a SIGHUP would start two successors, neither of which has
	// all sockets.
	running *atomic.Int32
}

var running atomic.Int32 // in this process, as its signals are

func realSystem() system {
	return system{
		program: programPath(),
		inherit: inheritedChannel,
		spawn:   spawner(ourChild),
		notify:  signal.Notify,
		stop:    signal.Stop,
		running: &running,
	}
}
