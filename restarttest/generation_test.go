//go:build linux

package restarttest_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart"
	"example.com/restart/restarttest"
)

// A successor that dies leaves its predecessor as it was.
func TestKillOfASuccessor(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	first := p.Start(web("1"))
	c := dial(t, p, "web")
	c.get()
	_, err := p.Restart(func(r *restart.Restarter) error {
		p.Latest().Kill()
		return web("2")(r)
	})
	re, ok := errors.AsType[*restart.RestartError](err)
	if !ok || re.Phase != restart.PhaseReady || re.Exit != "signal: killed" || re.Stderr != "" {
		t.Errorf("got %#v, want that the successor was killed", err)
	}
	if got := c.get(); got != "1" {
		t.Errorf("got version %s, want 1", got)
	}
	mustRestart(t, p, web("3"))
	mustEnd(t, first)
	if got := c.get(); got != "3" {
		t.Errorf("got version %s, want 3", got)
	}
}

// A successor whose predecessor dies before it can let go serves alone. Clients in
// the queue notice nothing.
func TestKillOfAPredecessor(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	first := p.Start(web("1"))
	addr := p.Addr("web")
	c := dial(t, p, "web")
	c.get()
	var queued *client
	_, err := p.Restart(func(r *restart.Restarter) error {
		first.Kill()
		queued = dial(t, p, "web")
		return web("2")(r)
	})
	if err == nil {
		t.Error("a process that was killed has said that it was replaced")
	}
	second, err := first.Next()
	if err != nil {
		t.Fatal(err)
	}
	c.ends()
	if got := queued.get(); got != "2" {
		t.Errorf("got version %s, want 2", got)
	}
	if got := p.Addr("web"); got != addr || second.Status().Generation != 2 {
		t.Errorf("got generation %d on %s, want 2 on %s", second.Status().Generation, got, addr)
	}
	alone(t, second)
	if err := first.Wait(); err == nil || !strings.Contains(err.Error(), "signal: killed") {
		t.Errorf("got %v, want that it was killed", err)
	}
}

// What a process has begun dies with it. Its successor goes on.
func TestKillOfADrainingGeneration(t *testing.T) {
	p := restarttest.New(t, restart.Options{HammerTime: -1})
	first := p.Start(held("1"))
	c := dial(t, p, "held")
	if got := c.readLine(); got != "1" {
		t.Fatalf("got %q", got)
	}
	second := mustRestart(t, p, held("2"))
	third := mustRestart(t, p, held("3"))
	first.Kill()
	c.ends()
	if err := first.Wait(); err == nil {
		t.Error("got no error")
	}
	mustEnd(t, second)
	alone(t, third)
	if got := dial(t, p, "held").readLine(); got != "3" {
		t.Errorf("got %q, want 3", got)
	}
}

// A crash leaves nobody. The file of a Unix socket stays, and the next start
// replaces it.
func TestKillOfTheLastGeneration(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	setup := func(version string) restarttest.Setup {
		return func(r *restart.Restarter) error {
			_, err := r.Add("web", "unix", path, newWeb(version))
			return err
		}
	}
	p := restarttest.New(t, restart.Options{})
	first := p.Start(setup("1"))
	first.Kill()
	if err := first.Wait(); err == nil {
		t.Error("got no error of a process that was killed")
	}
	if _, err := p.Restart(setup("2")); err == nil {
		t.Error("restart of a dead program: got no error")
	}
	if _, err := p.Dial("web"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v, want that the connection is refused", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("the file of the socket: %v", err)
	}
	again := p.Start(setup("2"))
	if got := dial(t, p, "web").get(); got != "2" || again.Status().Generation != 1 {
		t.Errorf("got version %s in generation %d, want 2 in 1", got, again.Status().Generation)
	}
	again.Shutdown()
	mustEnd(t, again)
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after an end in good order: got %v, want no file", err)
	}
}

// Kill ends generations in every state.
func TestKillBeforeSetup(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	first := p.Start(web("1"))
	release := make(chan struct{})
	entered := make(chan struct{})
	failed := make(chan error, 1)
	go func() {
		_, err := p.Restart(func(r *restart.Restarter) error {
			close(entered)
			<-release // a program that hangs
			return web("2")(r)
		})
		failed <- err
	}()
	<-entered
	p.Latest().Kill()
	if err := <-failed; err == nil {
		t.Error("got no error")
	}
	close(release)
	p.Latest().Wait()
	if got := first.Status().State; got != restart.StateServing {
		t.Errorf("got state %v, want serving", got)
	}
}

// Datagrams have no connections; their socket dies all the same.
func TestKillClosesPacketSockets(t *testing.T) {
	p := restarttest.New(t, restart.Options{})
	setup := func(r *restart.Restarter) error {
		_, err := r.AddPacket("udp", "udp", "127.0.0.1:0", &reflector{stop: make(chan struct{})})
		return err
	}
	first := p.Start(setup)
	addr := p.Addr("udp")
	first.Kill()
	pc, err := net.ListenPacket("udp", addr)
	if err != nil {
		t.Fatalf("the address is still taken: %v", err)
	}
	pc.Close()
}

type reflector struct{ stop chan struct{} }

func (s *reflector) ServePacket(net.PacketConn) error { <-s.stop; return nil }
func (s *reflector) Shutdown(context.Context) error   { close(s.stop); return nil }
