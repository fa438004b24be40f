//go:build linux

package restart

import (
	"os"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// A peer is the other side of a hand-shake, played by a script. Its methods
// end the script when something is not as it should be.
type peer struct {
	t     *testing.T
	conn  *channel.Conn
	sock  *os.File // the same, for what conn would not send
	mu    sync.Mutex
	files []*os.File // received
	descs []wire.File

	signals chan syscall.Signal
	ended   chan struct{}
	once    sync.Once
}

// newPair returns a script's end of a channel, and the other end as a process
// would inherit it.
func newPair(t *testing.T) (*peer, *os.File) {
	t.Helper()
	ours, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer ours.Close()
	sock, err := ours.File()
	if err != nil {
		t.Fatal(err)
	}
	p, err := newPeer(t, sock)
	if err != nil {
		t.Fatal(err)
	}
	return p, theirs
}

// newPeer makes a peer of its end of a channel, which it takes.
func newPeer(t *testing.T, sock *os.File) (*peer, error) {
	conn, err := channel.Open(dup(t, sock))
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	p := &peer{t: t, conn: conn, sock: sock, signals: make(chan syscall.Signal, 10), ended: make(chan struct{})}
	t.Cleanup(p.die)
	return p, nil
}

// die is how a process ends, whatever kills it: the kernel closes its end.
func (p *peer) die() {
	p.once.Do(func() {
		p.conn.Close()
		p.sock.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		channel.CloseAll(p.files)
		close(p.ended)
	})
}

func (p *peer) fatalf(format string, args ...any) {
	p.t.Helper()
	p.t.Errorf(format, args...)
	p.die()
	runtime.Goexit()
}

func (p *peer) send(typ wire.Type, v any, files ...*os.File) {
	p.t.Helper()
	if err := p.conn.Send(typ, v, files...); err != nil {
		p.fatalf("script: send %v: %v", typ, err)
	}
}

func (p *peer) recv() (wire.Frame, []*os.File, error) {
	f, files, err := p.conn.Recv()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files = append(p.files, files...)
	return f, files, err
}

// want receives a message of type typ into v, which may be nil.
func (p *peer) want(typ wire.Type, v any) {
	p.t.Helper()
	f, _, err := p.recv()
	for err == nil && (f.Type == wire.TypeProgress || f.Type == wire.TypeReceiving) && f.Type != typ {
		f, _, err = p.recv() // they come at any time
	}
	if err != nil {
		p.fatalf("script: got %v, want %v", err, typ)
	}
	if f.Type != typ {
		p.fatalf("script: got %v %s, want %v", f.Type, f.Payload, typ)
	}
	if v != nil {
		if err := f.Decode(v); err != nil {
			p.fatalf("script: %v", err)
		}
	}
}

// manifest receives what a predecessor leaves.
func (p *peer) manifest() (hello wire.Hello, states map[string]string) {
	p.t.Helper()
	p.want(wire.TypeHello, &hello)
	states = make(map[string]string)
	for {
		f, files, err := p.recv()
		if err != nil {
			p.fatalf("script: manifest: %v", err)
		}
		switch f.Type {
		case wire.TypeFiles:
			var m wire.Files
			if err := f.Decode(&m); err != nil || len(m.Files) != len(files) {
				p.fatalf("script: %d files, %d descriptions, %v", len(files), len(m.Files), err)
			}
			p.descs = append(p.descs, m.Files...)
		case wire.TypeState:
			var m wire.State
			if err := f.Decode(&m); err != nil {
				p.fatalf("script: %v", err)
			}
			states[m.Name] += string(m.Data)
		case wire.TypeStart:
			return hello, states
		default:
			p.fatalf("script: %v in the manifest", f.Type)
		}
	}
}

// claimed returns the names of the sockets received.
func (p *peer) claimed() []string {
	var names []string
	for _, d := range p.descs {
		if d.Kind == wire.KindListener || d.Kind == wire.KindPacket {
			names = append(names, d.Name)
		}
	}
	return names
}

func (p *peer) ready() {
	p.t.Helper()
	p.send(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: p.claimed()})
}

// A fakeProcess is a peer as its predecessor sees it. It has our PID: a number
// of its own might belong to a real process, which would get its signals.
type fakeProcess struct{ p *peer }

func (f fakeProcess) PID() int    { return os.Getpid() }
func (f fakeProcess) StopStderr() {}

func (f fakeProcess) Signal(sig syscall.Signal) {
	f.p.signals <- sig
	if sig == syscall.SIGKILL {
		f.p.die()
	}
}

func (f fakeProcess) Wait(within time.Duration) bool {
	select {
	case <-f.p.ended:
		return true
	default:
	}
	select {
	case <-f.p.ended:
		return true
	case <-time.After(within):
		return false
	}
}

func (f fakeProcess) Release() string { return f.Exit() }

func (f fakeProcess) Exit() string {
	if f.Wait(0) {
		return "exit status 7"
	}
	return ""
}

// spawning returns a system that starts successors which follow the scripts,
// one after another. A script's process ends with it.
func spawning(t *testing.T, scripts ...func(*peer)) system {
	sys := fakeSystem()
	var scripting sync.WaitGroup
	t.Cleanup(scripting.Wait)
	var mu sync.Mutex
	sys.start = func(_ spawn.Command, _ spawn.Parent, theirs *os.File, _ *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
		if err := greet(nil, nil); err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		if len(scripts) == 0 {
			t.Error("another successor was started")
			return nil, os.ErrNotExist
		}
		script := scripts[0]
		scripts = scripts[1:]
		p, err := newPeer(t, dup(t, theirs))
		if err != nil {
			return nil, err
		}
		scripting.Go(func() {
			defer p.die()
			script(p)
		})
		return fakeProcess{p}, nil
	}
	return sys
}

// A run is a Restarter that runs in this process.
type run struct {
	t       *testing.T
	states  states
	r       *Restarter
	log     *logs
	service *testService
	address string
	result  chan error
}

// start makes a Restarter with one listener, "web", and runs it.
func start(t *testing.T, o Options, sys system) *run {
	t.Helper()
	return startAt(t, o, sys, "127.0.0.1:0")
}

func startAt(t *testing.T, o Options, sys system, address string) *run {
	t.Helper()
	x := &run{t: t, log: newLogs(t), service: newTestService(), result: make(chan error, 1)}
	x.service.answer = "old"
	o.Logger = slogTo(x.log)
	x.r = fakeRestarter(t, o, sys)
	addr, err := x.r.Add("web", "tcp", address, x.service)
	if err != nil {
		t.Fatal(err)
	}
	x.address = addr.String()
	x.run()
	return x
}

func (x *run) run() {
	x.r.sys.entered = x.states.add
	go func() { x.result <- x.r.Run(x.t.Context()) }()
	x.t.Cleanup(func() {
		x.r.Shutdown()
		x.r.Hammer()
		select {
		case <-x.r.over:
		case <-time.After(patience):
			x.t.Error("Run does not return")
		}
	})
}

// serving waits until it serves, and then for real.
func (x *run) serving() *run {
	x.t.Helper()
	x.reached(StateServing, 1)
	x.answers("old")
	return x
}

func (x *run) answers(want string) {
	x.t.Helper()
	if got, err := ask(x.address); err != nil || got != want {
		x.t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// returned waits for Run.
func (x *run) returned() error {
	x.t.Helper()
	select {
	case err := <-x.result:
		return err
	case <-time.After(patience):
		x.t.Fatal("Run does not return")
		return nil
	}
}

// states are those that a Restarter has been in. The zero value is ready to use.
type states struct {
	mu      sync.Mutex
	entered []State
	changed chan struct{} // not nil: somebody waits
}

func (s *states) add(state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.entered = append(s.entered, state)
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

// count returns how often the states hold, and what is closed when there is
// another one.
func (s *states) count(of ...State) (int, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	n := 0
	for _, state := range s.entered {
		if slices.Contains(of, state) {
			n++
		}
	}
	return n, s.changed
}

// reached waits until it has been in a state n times.
func (x *run) reached(state State, n int) {
	x.t.Helper()
	x.reachedAny(n, state)
}

// reachedAny waits until it has been in some of the states n times.
func (x *run) reachedAny(n int, of ...State) {
	x.t.Helper()
	bound := time.After(patience)
	for {
		got, changed := x.states.count(of...)
		if got >= n {
			return
		}
		select {
		case <-changed:
		case <-bound:
			x.t.Fatalf("was in %v %d times, want %d", of, got, n)
		}
	}
}

// times returns how often it has been in a state.
func (x *run) times(state State) int {
	n, _ := x.states.count(state)
	return n
}

// cut checks how many connections the hammer has closed, when Run has returned.
func (x *run) cut(want int) {
	x.t.Helper()
	if got := x.r.Status().Cut; got != want {
		x.t.Errorf("the hammer cut %d connections, want %d", got, want)
	}
}

// inLoop runs f on the loop's goroutine and waits for it. It reports false if Run
// has returned.
func (x *run) inLoop(f func(*loop)) bool {
	done := make(chan struct{})
	if !x.r.mail.post(inLoop(func(l *loop) { f(l); close(done) })) {
		return false
	}
	<-done
	return true
}
