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
)

// A Restarter manages the services of one process and replaces that process
// by another one when it is asked to. Make one with New. All its methods may be
// called at any time and by several goroutines.
type Restarter struct {
	options    Options
	sys        system
	log        *slog.Logger
	generation int
	pred       *predecessor // nil on a cold start
	table      *table
	hooks      *hooks
	signals    chan os.Signal

	own, ownEnd *os.File // our lifeline: the read end to pass on, the end to keep

	inbox    chan message
	ran      atomic.Bool
	stopped  chan struct{} // closed by Shutdown
	stopOnce sync.Once
	hammer   chan struct{} // a token for each Hammer
	over     chan struct{} // closed when Run has returned
	status   atomic.Pointer[Status]
	adopted  atomic.Int64 // connections taken from the predecessor
	alone    chan struct{}
}

// New returns a Restarter. In a process that a restart has started it receives
// what the predecessor leaves; anywhere else there is no predecessor, and
// everything is bound anew. It takes SIGHUP from its default action, which
// would end the program; the other signals are taken by Run.
//
// The error says what is wrong with the options, or with what was inherited:
// a stale or forged RESTART_CHANNEL variable is never acted upon. New must be
// called once in a process, before it starts any other process. Package http
// calls it for the servers that it starts by itself: other services of such a
// program are added to its Default. While two of them run,
// Restart does nothing but say so.
func New(o Options) (*Restarter, error) { return newRestarter(o, realSystem()) }

func newRestarter(o Options, sys system) (*Restarter, error) {
	// Before all else: whatever goes wrong, no process that the program starts
	// may take itself for a successor.
	conn, err := sys.inherit()
	if err != nil {
		return nil, err
	}
	if o, err = o.withDefaults(startDir); err != nil {
		if conn != nil {
			(&predecessor{conn: conn}).note(err)
			conn.Close()
		}
		return nil, err
	}
	signals := make(chan os.Signal, 16)
	r := &Restarter{
		options: o,
		sys:     sys,
		log:     o.Logger,
		hooks:   newHooks(func(s ...os.Signal) { sys.notify(signals, s...) }),
		signals: signals,
		inbox:   make(chan message),
		stopped: make(chan struct{}),
		hammer:  make(chan struct{}, 1),
		over:    make(chan struct{}),
		alone:   make(chan struct{}),
	}
	r.hooks.take(earlySignals...)
	if err := r.inherit(conn); err != nil {
		sys.stop(signals)
		return nil, err
	}
	r.log = r.log.With("generation", r.generation, "pid", os.Getpid())
	if canReplace {
		if r.own, r.ownEnd, err = os.Pipe(); err != nil {
			sys.stop(signals)
			if r.pred != nil {
				r.table.drop()
				r.pred.close()
			}
			return nil, fmt.Errorf("restart: lifeline: %w", err)
		}
	}
	r.status.Store(&Status{Generation: r.generation, PID: os.Getpid()})
	return r, nil
}

// inherit meets the predecessor at the other end of conn; nil: there is none.
func (r *Restarter) inherit(conn *channel.Conn) (err error) {
	r.generation = 1
	var offers []*offer
	if conn != nil {
		if r.pred, err = meet(conn); err != nil {
			return err
		}
		r.generation = r.pred.generation + 1
		offers = r.pred.offers
	}
	r.table = newTable(r.options.ListenConfig, offers)
	return nil
}

// Add adds a service that listens on the address, and returns the address that
// it is bound to. The network is tcp, tcp4, tcp6 or unix, the address as in
// [net.Listen].
//
// The name stands for the listener across restarts. A successor claims the
// socket that it inherited under this name if the address is still the same
// (port 0: whatever the port), or one with this address that had another name;
// otherwise it binds a new one, so that addresses may change. What a successor
// does not claim is closed when it takes over, after the predecessor has
// served the clients that were waiting there. But if an Add has failed, nothing
// is taken for dropped: the successor gives up, whatever the program makes of
// the error, and the predecessor serves on.
//
// Add may be called before and during Run. After the drain has begun it
// returns ErrStopped. The path of a Unix socket stays when one process replaces
// another and is removed when the last one ends; a path that a dead process
// left is replaced if nobody answers on it.
func (r *Restarter) Add(name, network, address string, s Service) (net.Addr, error) {
	if s == nil {
		return nil, fmt.Errorf("restart: listener %q has no service", name)
	}
	return r.add(&socket{name: name, network: network, address: address, stream: s})
}

// AddPacket is like Add for datagrams: the network is udp, udp4, udp6 or
// unixgram.
func (r *Restarter) AddPacket(name, network, address string, s PacketService) (net.Addr, error) {
	if s == nil {
		return nil, fmt.Errorf("restart: listener %q has no service", name)
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
			r.pred.note(err)
		}
		return nil, err
	}
	return s.addr(), nil
}

// restore gives the service what its predecessor left. That comes first: a
// service that cannot use it must not be served.
func (r *Restarter) restore(s *socket) error {
	st, ok := s.service().(Stateful)
	if !ok || r.pred == nil {
		return nil
	}
	state, ok := r.pred.states[s.name]
	if !ok {
		return nil
	}
	if err := st.Restore(state); err != nil {
		return fmt.Errorf("restart: state of %q: %w", s.name, err)
	}
	return nil
}

// Before adds a hook that runs before what sig does. Hooks run in the order in
// which they were added. An error keeps the signal from doing anything and is
// logged: the place to check a new configuration before SIGHUP starts a
// successor. A signal that does nothing of its own is taken from its default
// action because of the hook.
func (r *Restarter) Before(sig os.Signal, h Hook) { r.hooks.add(r.hooks.before, sig, h) }

// After adds a hook that runs after what sig does: after a restart has
// succeeded or failed, see [Status.LastError], and after a drain has begun. An
// error is logged.
func (r *Restarter) After(sig os.Signal, h Hook) { r.hooks.add(r.hooks.after, sig, h) }

// Alone returns a channel that is closed when this process serves and every
// earlier generation has ended, however it ended. Work that only one process
// may do, such as running jobs or holding a lock, should wait for it: an
// earlier generation that drains may still be at it. It is never closed unless
// Run runs.
func (r *Restarter) Alone() <-chan struct{} { return r.alone }

// Run serves until the process is replaced or stopped and returns when it has
// drained. The result is nil when that went in good order, whether or not the
// hammer was needed. Otherwise it is every service's error, or why this process
// was never to serve: Options.PIDFile could not be written, or the predecessor
// gave up on it. The program should end then.
//
// The end of ctx is like SIGTERM. Signals are given back before Run returns.
// Run can be called once.
func (r *Restarter) Run(ctx context.Context) error {
	if r.ran.Swap(true) {
		return errors.New("restart: Run was called before")
	}
	defer close(r.over)
	defer r.close()
	r.sys.running.Add(1)
	defer r.sys.running.Add(-1)
	return newLoop(r).run(ctx)
}

// close gives up what New and Run took.
func (r *Restarter) close() {
	r.sys.stop(r.signals)
	r.table.close()
	r.table.drop()
	if r.pred != nil {
		r.pred.close()
	}
	for _, f := range []*os.File{r.own, r.ownEnd} {
		if f != nil {
			f.Close()
		}
	}
}

// Restart starts a successor and waits until it serves. Nil means that it does,
// and that this process drains. Otherwise this process goes on serving as if
// nothing had happened: ErrUnsupported, ErrNotServing, ErrRestarting, ErrStopped
// and ErrTooManyDraining say why nothing was tried, a *[RestartError] how far
// it came. The end of ctx ends the attempt. The hooks of SIGHUP do not run: they
// are the signal's. An error is returned and not logged.
func (r *Restarter) Restart(ctx context.Context) error {
	if !canReplace {
		return ErrUnsupported
	}
	if !r.ran.Load() {
		return ErrNotServing
	}
	result := make(chan error, 1)
	select {
	case r.inbox <- restartRequest{ctx, func(err error) { result <- err }}:
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
