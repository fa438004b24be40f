package restart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/spawn"
)

// A Restarter manages the services of one process, and replaces that process by
// another one when asked to. Make one with New. All its methods may be called at
// any time and by several goroutines.
type Restarter struct {
	options    Options
	sys        system
	log        *slog.Logger
	generation int
	pred       *handshake.Follower // nil on a cold start
	table      *table
	hooks      *hooks
	signals    chan os.Signal

	lifeline *os.File // ours, for successors; borrowed

	mail     mailbox
	ran      atomic.Bool
	stopped  chan struct{} // closed by Shutdown
	stopOnce sync.Once
	hammer   chan struct{} // holds a token while a Hammer waits to be handled
	over     chan struct{} // closed when Run has returned
	adopted  atomic.Int64  // connections taken from earlier generations
	events   events

	earlierMu    sync.Mutex
	earlierConns map[int]int // open connections of earlier generations, as they tell

	status  atomic.Pointer[Status]
	changed atomic.Pointer[chan struct{}] // closed when status changes

	serving  chan struct{} // closed when this process serves
	draining chan struct{} // closed when its drain begins
	alone    chan struct{} // closed when no earlier generation lives
}

// New returns a Restarter. In a process that a restart has started New receives the
// sockets and the state of the predecessor. In any other process there is no
// predecessor, and all sockets are bound anew. New catches SIGHUP, whose default
// action would end the program. Run catches the other signals.
//
// The error says what is wrong with the options, or with what was inherited:
// a stale or forged RESTART_CHANNEL variable is never acted upon. Call New once
// in a process, before it starts any other process. Functions of
// package http such as ListenAndServe call it themselves: such a program adds its
// other services to the Restarter that Default of that package returns. While two
// Restarters run, Restart only returns an error.
//
// Where a keeper is wanted, see [Options.Keeper], New returns only in the process
// that the keeper starts.
func New(o Options) (*Restarter, error) {
	if err := o.keep(); err != nil {
		return nil, err
	}
	return newRestarter(o, realSystem())
}

func newRestarter(o Options, sys system) (*Restarter, error) {
	// Before all else: whatever goes wrong, no process that the program starts
	// may take itself for a successor.
	conn, err := sys.inherit()
	if err != nil {
		return nil, fmt.Errorf("restart: %w", err)
	}
	if o, err = o.withDefaults(spawn.StartDir()); err != nil {
		if conn != nil {
			(&handshake.Follower{Conn: conn}).Note(err)
			conn.Close()
		}
		return nil, err
	}
	signals := make(chan os.Signal, 16)
	r := &Restarter{
		options:  o,
		sys:      sys,
		hooks:    newHooks(func(s ...os.Signal) { sys.notify(signals, s...) }),
		signals:  signals,
		mail:     newMailbox(),
		stopped:  make(chan struct{}),
		hammer:   make(chan struct{}, 1),
		over:     make(chan struct{}),
		serving:  make(chan struct{}),
		draining: make(chan struct{}),
		alone:    make(chan struct{}),
	}
	r.hooks.notify(earlySignals...)
	if err := r.inherit(conn); err != nil {
		sys.stop(signals)
		return nil, fmt.Errorf("restart: %w", err)
	}
	r.log = o.Logger.With("generation", r.generation, "pid", os.Getpid())
	r.changed.Store(new(make(chan struct{})))
	r.setStatus(&Status{Generation: r.generation, PID: os.Getpid()})
	return r, nil
}

// inherit meets the predecessor at the other end of conn; nil: there is none.
func (r *Restarter) inherit(conn *channel.Conn) (err error) {
	if spawn.Supported {
		if r.lifeline, err = r.sys.lifeline(); err != nil {
			if conn != nil {
				conn.Close()
			}
			return fmt.Errorf("make lifeline: %w", err)
		}
	}
	r.generation = 1
	var inherited []handshake.Socket
	if conn != nil {
		if r.pred, err = handshake.Meet(conn); err != nil {
			return err
		}
		r.generation = r.pred.Generation + 1
		inherited = r.pred.Sockets
	}
	r.events.generation = r.generation
	r.table = newTable(r.options.ListenConfig, r.sys.listen, inherited)
	if conn == nil {
		r.table.activate(r.sys.activated())
	}
	return nil
}

// Add adds a service that listens on the address, and returns the address that
// it is bound to. The network is tcp, tcp4, tcp6 or unix, the address as in
// [net.Listen].
//
// The name stands for the listener across restarts. A successor claims the
// socket that it inherited under this name if the address is still the same
// (port 0: whatever the port), or one with this address that had another name;
// otherwise it binds a new one, so that addresses may change. A socket that no
// Add of the successor claims is closed, after the predecessor has served the
// clients that were waiting there. If an Add has failed, nothing is taken for
// dropped: the successor gives up, whatever the program does with the error, and
// the predecessor serves on.
//
// Add may be called before and during Run. After the drain has begun it
// returns ErrStopped. The path of a Unix socket stays when one process replaces
// another and is removed when the last one ends; a path that a dead process
// left is replaced if nobody answers on it.
func (r *Restarter) Add(name, network, address string, s Service) (net.Addr, error) {
	if s == nil {
		return nil, fmt.Errorf("restart: add listener %q: the service is nil", name)
	}
	return r.add(&socket{name: name, network: network, address: address, stream: s})
}

// AddPacket is like Add for datagrams: the network is udp, udp4, udp6 or
// unixgram.
func (r *Restarter) AddPacket(name, network, address string, s PacketService) (net.Addr, error) {
	if s == nil {
		return nil, fmt.Errorf("restart: add listener %q: the service is nil", name)
	}
	return r.add(&socket{name: name, network: network, address: address, datagrams: s})
}

func (r *Restarter) add(s *socket) (net.Addr, error) {
	if logging, ok := s.service().(Logging); ok {
		logging.SetLogger(r.log.With("listener", s.name))
	}
	err := r.restore(s)
	if err != nil {
		r.table.fail(err)
	} else {
		err = r.table.add(context.Background(), s)
	}
	if err != nil {
		if r.pred != nil {
			r.pred.Note(err)
		}
		return nil, err
	}
	return s.addr(), nil
}

// restore gives the service the state that its predecessor left. It comes before
// the socket: a service that cannot use its state must not serve.
func (r *Restarter) restore(s *socket) error {
	st, ok := s.service().(Stateful)
	if !ok || r.pred == nil {
		return nil
	}
	state, ok := r.pred.States[s.name]
	if !ok {
		return nil
	}
	if err := st.Restore(state); err != nil {
		return fmt.Errorf("restart: restore state of %q: %w", s.name, err)
	}
	return nil
}

// Serving returns a channel that is closed when this process serves: its
// services accept. After a restart the predecessor may accept for a moment
// longer. The channel is never closed in a process that does not get so far.
func (r *Restarter) Serving() <-chan struct{} { return r.serving }

// Draining returns a channel that is closed when this process begins to drain,
// because it was replaced or is to stop. Handlers of connections use the function
// [Draining] instead.
func (r *Restarter) Draining() <-chan struct{} { return r.draining }

// Alone returns a channel that is closed when this process serves and the
// processes of all earlier generations have ended, however they ended. No
// MergeState of a [StateMerger] is called after that. Work that
// only one process may do, such as running jobs or opening a database that locks
// its file, should wait for it: an earlier generation may still be at it, also
// after its Run has returned. The channel is never closed unless Run runs.
func (r *Restarter) Alone() <-chan struct{} { return r.alone }

// Run serves until the process is replaced or stopped and returns when it has
// drained. The result is nil when that went in good order, whether or not the
// hammer was needed. Otherwise it holds the errors of all services, or says why
// this process could not serve: Options.PIDFile could not be written, or the
// predecessor gave up on it. The program should end then.
//
// The end of ctx is like SIGTERM. When Run returns, the signals have their default
// effects again. Run can be called once.
func (r *Restarter) Run(ctx context.Context) error {
	if r.ran.Swap(true) {
		return errors.New("restart: Run was called before")
	}
	defer close(r.over)
	defer r.close()
	if err := r.sys.process.enter(r); err != nil {
		return err
	}
	defer r.sys.process.leave(r)
	return newLoop(r).run(ctx)
}

// close gives up what New and Run took.
func (r *Restarter) close() {
	r.sys.stop(r.signals)
	r.table.close()
	r.table.drop()
	if r.pred != nil {
		r.pred.Close()
	}
}

// Restart runs the Before hooks of SIGHUP, starts a successor and waits until
// it serves. Nil means that the successor serves and this process drains.
// Otherwise this process goes on serving as if nothing had happened:
// ErrUnsupported, ErrNotServing, ErrRestarting, ErrStopped and ErrTooManyDraining
// say why nothing was tried, a *[RestartError] how far the restart came. The end
// of ctx ends the attempt. An error is returned and not logged.
func (r *Restarter) Restart(ctx context.Context) error {
	if !spawn.Supported {
		return ErrUnsupported
	}
	if !r.ran.Load() {
		return ErrNotServing
	}
	result := make(chan error, 1)
	select {
	case r.mail.in <- restartAsked{ctx, func(err error) { result <- err }}:
	case <-r.over:
		return ErrStopped
	}
	select {
	case err := <-result:
		return err
	case <-r.over:
	}
	select {
	case err := <-result: // both came at once
		return err
	default:
		return ErrStopped
	}
}

// CancelRestart ends the restart that is under way, whoever has asked for it, and
// reports whether there is one. Whoever asked gets an error that matches
// context.Canceled. A restart whose successor has been told to accept goes on.
func (r *Restarter) CancelRestart() bool {
	reply := make(chan bool, 1)
	return r.ran.Load() && r.mail.post(cancelAsked{reply}) && <-reply
}

// Shutdown makes Run drain and return, like SIGTERM. It does not wait.
func (r *Restarter) Shutdown() { r.stopOnce.Do(func() { close(r.stopped) }) }

// Hammer ends a drain by force, like SIGUSR2. While nothing drains it only
// logs. It does not wait.
func (r *Restarter) Hammer() {
	select {
	case r.hammer <- struct{}{}:
	default: // one is on its way
	}
}
