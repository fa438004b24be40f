package restarttest

import (
	"os"
	"sync"
	"syscall"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/inprocess"
	"example.com/restart/internal/spawn"
)

// host is what stands in for the process of g.
func (g *Generation) host() inprocess.Host {
	return inprocess.Host{
		Inherit:  func() (*channel.Conn, error) { return g.conn, nil },
		Start:    g.start,
		Notify:   g.signals.notify,
		Stop:     g.signals.stop,
		Lifeline: g.life.begin,
		Listen:   g.program.network.listen(),
		Refusal:  g.program.network.refusal(),
	}
}

// start starts the successor of g: not the command, but what is installed.
func (g *Generation) start(_ spawn.Command, _ spawn.Parent, theirs *os.File, tail *spawn.Tail, greet spawn.Greeting) (spawn.Process, error) {
	if err := greet(nil, nil); err != nil {
		return nil, err
	}
	f, err := fdutil.Dup(theirs)
	if err != nil {
		return nil, err
	}
	conn, err := channel.Open(f)
	if err != nil {
		return nil, err
	}
	child, err := g.program.begin(g, conn, tail)
	if err != nil {
		return nil, err
	}
	return process{child}, nil
}

// A process is a generation as its parent sees it.
type process struct{ g *Generation }

// PID implements spawn.Process.
func (process) PID() int { return os.Getpid() }

// Signal implements spawn.Process.
func (p process) Signal(sig syscall.Signal) {
	if !isClosed(p.g.parent.dead) {
		p.g.Signal(sig)
	}
}

// Wait implements spawn.Process. A parent that is dead waits for nothing.
func (p process) Wait(within time.Duration) bool {
	bound := time.NewTimer(within)
	defer bound.Stop()
	select {
	case <-p.g.dead:
		return true
	case <-p.g.parent.dead:
		return true
	case <-bound.C:
		return isClosed(p.g.dead)
	}
}

// StopStderr implements spawn.Process.
func (process) StopStderr() {}

// Release implements spawn.Process.
func (p process) Release() string { return p.Exit() }

// Exit implements spawn.Process.
func (p process) Exit() string {
	if !isClosed(p.g.dead) {
		return ""
	}
	return p.g.status
}

// A lifeline is the pipe that ends with a process. The zero value is ready to use.
type lifeline struct {
	mu          sync.Mutex
	read, write *os.File
	ended       bool
}

// begin makes the pipe and lends its read end.
func (l *lifeline) begin() (*os.File, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var err error
	if l.read, l.write, err = os.Pipe(); err != nil {
		return nil, err
	}
	if l.ended {
		l.write.Close()
	}
	return l.read, nil
}

// end ends it for those who watch it.
func (l *lifeline) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	if l.write != nil {
		l.write.Close()
	}
}

// close closes what is left, when its own process does not use it any more.
func (l *lifeline) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.read != nil {
		l.read.Close()
	}
}
