//go:build linux

package restart

import (
	"net"
	"os"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// An old process, played by a script: it listens, and leaves its socket to the
// Restarter under test.
type oldProcess struct {
	*peer
	ln     *net.TCPListener
	theirs *os.File
	life   *os.File // write end of its lifeline
	pipe   *os.File // read end
	since  time.Time
}

func newOldProcess(t *testing.T) *oldProcess {
	t.Helper()
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	o := &oldProcess{ln: ln}
	o.peer, o.theirs = newPair(t)
	if o.pipe, o.life, err = os.Pipe(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		o.theirs.Close()
		o.die()
	})
	return o
}

// die closes all that the process had.
func (o *oldProcess) die() {
	o.ln.Close()
	o.life.Close()
	o.pipe.Close()
	o.peer.die()
}

func (o *oldProcess) address() string { return o.ln.Addr().String() }

// system is that of the process which the old one has started.
func (o *oldProcess) system() system {
	sys := fakeSystem()
	sys.inherit = func() (*channel.Conn, error) { return channel.Open(o.theirs) }
	return sys
}

func (o *oldProcess) hello() {
	o.send(wire.TypeHello, wire.Hello{PID: os.Getpid(), Generation: 3})
}

func (o *oldProcess) desc() wire.File {
	return wire.File{Kind: wire.KindListener, Name: "web", Network: "tcp", Address: o.address(), Local: o.address()}
}

func (o *oldProcess) sendFiles() {
	f := dup(o.t, o.ln)
	defer f.Close()
	life := wire.File{Kind: wire.KindLifeline, PID: os.Getpid(), Generation: 3, Since: o.since}
	odd := wire.File{Kind: "from a newer version"}
	o.send(wire.TypeFiles, wire.Files{Files: []wire.File{o.desc(), life, odd}}, f, o.pipe, f)
}

// sendManifest sends all that a successor gets before it is ready.
func (o *oldProcess) sendManifest() {
	o.hello()
	o.sendFiles()
	o.send(wire.TypeStart, wire.Start{})
}

func (o *oldProcess) wantReady() {
	var ready wire.Ready
	o.want(wire.TypeReady, &ready)
	if len(ready.Claimed) != 1 || ready.Claimed[0] != "web" || ready.PID != os.Getpid() {
		o.fatalf("got %+v", ready)
	}
}

func (o *oldProcess) commit() {
	o.wantReady()
	o.send(wire.TypeCommit, wire.Commit{})
	o.want(wire.TypeCommitted, nil)
}

func (o *oldProcess) toServing(g wire.Go) {
	o.commit()
	o.send(wire.TypeGo, g)
	o.want(wire.TypeServing, nil)
}

// startSuccessor runs a Restarter whose old process has sent the manifest.
func startSuccessor(t *testing.T, opts Options) (*oldProcess, *run) {
	t.Helper()
	o, x := prepareSuccessor(t, opts)
	x.run()
	return o, x
}

// prepareSuccessor makes a Restarter whose old process has sent the manifest. The
// test runs it.
func prepareSuccessor(t *testing.T, opts Options) (*oldProcess, *run) {
	t.Helper()
	o := newOldProcess(t)
	o.sendManifest()
	x, err := o.newSuccessor(t, opts)
	if err != nil {
		t.Fatal(err)
	}
	return o, x
}

// inherit makes the Restarter that follows the old process, and runs it.
func (o *oldProcess) inherit(t *testing.T, opts Options) (*run, error) {
	t.Helper()
	x, err := o.newSuccessor(t, opts)
	if err != nil {
		return nil, err
	}
	x.run()
	return x, nil
}

// newSuccessor makes the Restarter that follows the old process.
func (o *oldProcess) newSuccessor(t *testing.T, opts Options) (*run, error) {
	t.Helper()
	x := &run{t: t, log: newLogs(t), service: newTestService(), address: o.address(), result: make(chan error, 1)}
	x.service.answer = "new"
	opts.Logger = slogTo(x.log)
	r, err := newRestarter(opts, o.system())
	if err != nil {
		return nil, err
	}
	x.r = r
	if _, err := r.Add("web", "tcp", o.address(), x.service); err != nil {
		r.close()
		return nil, err
	}
	return x, nil
}

// acceptsNothing checks that the old process's clients are still its own.
func (o *oldProcess) acceptsNothing() {
	o.t.Helper()
	client, err := net.Dial("tcp", o.address())
	if err != nil {
		o.t.Error(err)
		return
	}
	defer client.Close()
	c, err := o.ln.Accept()
	if err != nil {
		o.t.Error(err)
		return
	}
	c.Close()
}

// inScript runs a part of a script in this goroutine's place, so that a script
// that fails ends only itself.
func inScript(part func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		part()
	}()
	<-done
}
