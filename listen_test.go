//go:build linux

package restart

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
)

// A broker has a life cycle of its own: it is given a listener and started, and
// knows nothing of Services.
type broker struct {
	l     net.Listener
	wg    sync.WaitGroup
	ended chan error
}

func startBroker(l net.Listener, answer string) *broker {
	b := &broker{l: l, ended: make(chan error, 1)}
	b.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				b.ended <- err
				return
			}
			b.wg.Go(func() {
				defer c.Close()
				if _, err := c.Read(make([]byte, 100)); err == nil {
					fmt.Fprintln(c, answer)
				}
			})
		}
	})
	return b
}

// listening returns a Restarter that lends a listener to a broker.
func listening(t *testing.T, sys system, address string) (*run, *broker) {
	t.Helper()
	x := &run{t: t, log: newLogs(t), result: make(chan error, 1)}
	x.r = fakeRestarter(t, Options{Logger: slogTo(x.log)}, sys)
	l, err := x.r.Listen("broker", "tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	x.address = l.Addr().String()
	b := startBroker(l, "old")
	x.run()
	x.serving()
	return x, b
}

// The broker's Accept ends with the drain, however that came about, and its
// connections are finished.
func TestListen(t *testing.T) {
	for name, tt := range map[string]struct {
		end func(*run) error
	}{
		"stopped":  {func(x *run) error { x.r.Shutdown(); return nil }},
		"replaced": {func(x *run) error { return x.r.Restart(t.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			x, b := listening(t, spawning(t, takeOver), "127.0.0.1:0")
			c, err := net.Dial("tcp", x.address)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for x.r.Status().Listeners[0].Connections != 1 { // until it is accepted
				x.inLoop(func(*loop) {})
			}
			if err := tt.end(x); err != nil {
				t.Fatal(err)
			}
			<-x.r.Draining()
			if err := <-b.ended; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Accept: got %v, want net.ErrClosed", err)
			}
			select {
			case err := <-x.result:
				t.Fatalf("Run returned %v while a connection was open", err)
			default:
			}
			if _, err := fmt.Fprintln(c, "?"); err != nil {
				t.Fatal(err)
			}
			b2 := make([]byte, 10)
			if n, err := c.Read(b2); err != nil || string(b2[:n]) != "old\n" {
				t.Errorf("got %q, %v; want an answer of the old process", b2[:n], err)
			}
			x.drained()
			b.wg.Wait()
		})
	}
}

// A program that closes its only listener is done.
func TestListenIsClosedByTheProgram(t *testing.T) {
	x, b := listening(t, spawning(t), "127.0.0.1:0")
	if err := b.l.Close(); err != nil {
		t.Error(err)
	}
	x.drained()
	b.wg.Wait()
}

// A successor is not ready before its program accepts, and does not accept
// before it has taken over.
func TestListenInASuccessor(t *testing.T) {
	o := newOldProcess(t)
	o.sendManifest()
	x := &run{t: t, log: newLogs(t), address: o.address(), result: make(chan error, 1)}
	r, err := newRestarter(Options{Logger: slogTo(x.log)}, o.system())
	if err != nil {
		t.Fatal(err)
	}
	x.r = r
	l, err := r.Listen("web", "tcp", o.address())
	if err != nil {
		t.Fatal(err)
	}
	x.run()
	x.inLoop(func(l *loop) {
		if l.starting.stage != stageHeld {
			t.Error("ready before the program accepts")
		}
	})
	b := startBroker(l, "new")
	inScript(func() { o.commit() })
	o.acceptsNothing()
	o.ln.Close()
	o.peer.die()
	x.reached(StateServing, 1)
	x.answers("new")
	x.r.Shutdown()
	x.drained()
	b.wg.Wait()
}
