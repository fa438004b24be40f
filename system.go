package restart

import (
	"context"
	"errors"
	"net"
	"os"
	"os/signal"
	"sync"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/spawn"
)

// A system is all that a Restarter asks of the operating system and of its process,
// so that tests can replace it.
type system struct {
	program string // what a restart starts

	// inherit returns the channel to the predecessor, nil if there is none.
	inherit func() (*channel.Conn, error)

	// activated returns the sockets that the manager has given this process.
	activated func() []manager.Socket

	listen listenFunc

	// start starts a successor with its end of the channel, which it borrows.
	start func(spawn.Command, spawn.Parent, *os.File, *spawn.Tail, spawn.Greeting) (spawn.Process, error)

	notify func(chan<- os.Signal, ...os.Signal)
	stop   func(chan<- os.Signal)

	// lifeline returns the read end, which it lends, of the pipe that ends with this
	// process.
	lifeline func() (*os.File, error)

	manager manager.Manager
	process *process

	// entered is called by the loop with each state that it enters.
	entered func(State)
}

// A listenFunc opens a listening socket.
type listenFunc func(context.Context, net.ListenConfig, string, string) (gate.Socket, sockaddr.Path, error)

func realSystem() system {
	return system{
		program:   spawn.ProgramPath(),
		inherit:   handshake.Inherited,
		activated: manager.Activated,
		listen:    sockaddr.Listen,
		start:     spawn.Start,
		notify:    signal.Notify,
		stop:      signal.Stop,
		lifeline:  lifeline,
		manager:   manager.Find(),
		process:   &thisProcess,
		entered:   func(State) {},
	}
}

// lifeline makes the pipe at the first call. Neither end is ever closed by us:
// the kernel closes the write end when this process has ended, not when Run has
// returned. A program may still be at work then.
func lifeline() (*os.File, error) {
	ends, err := lifelineOnce()
	return ends.read, err
}

var lifelineOnce = sync.OnceValues(func() (ends struct{ read, write *os.File }, err error) {
	ends.read, ends.write, err = os.Pipe()
	return ends, err
})

// A process holds what the Restarters of one process must know of each other. Each
// of them gets every signal: where two run, a SIGHUP would start two successors,
// neither of which has all sockets.
type process struct {
	mu    sync.Mutex
	runs  map[*Restarter]bool
	hooks map[*Restarter]bool // those that have hooks and do not run
}

var thisProcess process

// errNeverRun reports a bug of the program.
var errNeverRun = errors.New("restart: hooks were added to a Restarter that does not run, while another one runs in this process: add them to the one that runs")

// hooked notes that a hook was added to r. It fails if r does not run and
// another Restarter does.
func (p *process) hooked(r *Restarter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.runs[r] {
		return nil
	}
	if len(p.runs) > 0 {
		return errNeverRun
	}
	if p.hooks == nil {
		p.hooks = make(map[*Restarter]bool)
	}
	p.hooks[r] = true
	return nil
}

// enter notes that r runs. It fails if another Restarter has hooks that could
// never run.
func (p *process) enter(r *Restarter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.hooks, r)
	if len(p.hooks) > 0 {
		return errNeverRun
	}
	if p.runs == nil {
		p.runs = make(map[*Restarter]bool)
	}
	p.runs[r] = true
	return nil
}

func (p *process) leave(r *Restarter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.runs, r)
	delete(p.hooks, r)
}

// running returns how many Restarters run.
func (p *process) running() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.runs)
}
