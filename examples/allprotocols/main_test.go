//go:build linux

package main

import (
	"flag"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
)

var restarts = flag.Int("restarts", 10, "restarts of TestNothingIsLost")

func TestReadme(t *testing.T) { exampletest.Readme(t) }

const (
	all = `[{"name": "web", "kind": "http", "address": "127.0.0.1:0"},
		{"name": "rpc", "kind": "grpc", "address": "127.0.0.1:0"},
		{"name": "line", "kind": "tcp", "address": "127.0.0.1:0"},
		{"name": "old", "kind": "tcp", "address": "127.0.0.1:0"},
		{"name": "udp", "kind": "udp", "address": "127.0.0.1:0"}]`
	changed = `[{"name": "web", "kind": "http", "address": "127.0.0.1:0"},
		{"name": "rpc", "kind": "grpc", "address": "127.0.0.1:0"},
		{"name": "line", "kind": "tcp", "address": "127.0.0.1:0"},
		{"name": "new", "kind": "tcp", "address": "127.0.0.1:0"},
		{"name": "udp", "kind": "udp", "address": "127.0.0.1:0"}]`
)

// All four protocols are under load while the program is replaced again and
// again, and nothing is lost. In the middle one listener is dropped and another
// added: whoever came to the dropped one before is answered, later ones are
// refused in the end.
func TestNothingIsLost(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "listeners.json")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write(all)
	p := exampletest.Start(t, exampletest.Build(t, "1"), "-config", conf)
	g := p.Serving(1, 5)

	const clients = 4 // of each load
	stop := make(chan struct{})
	var running sync.WaitGroup
	var loads []*load
	begin := func(name, addr string, connect func(addr string) (caller, error), fresh bool) *load {
		l := &load{name: name, addr: addr, connect: connect, fresh: fresh}
		for range clients {
			running.Go(func() { l.run(stop) })
		}
		return l
	}
	for _, k := range kinds {
		loads = append(loads,
			begin(k.name+", kept", g.Addr[k.listener], k.connect, false),
			begin(k.name+", fresh", g.Addr[k.listener], k.connect, true))
	}
	dropped := begin("dropped, fresh", g.Addr["old"], connectLine, true)

	loaded := append([]*load{dropped}, loads...)
	for i := range *restarts {
		want := make([]int64, len(loaded))
		for j, l := range loaded {
			want[j] = l.calls.Load() + 5
		}
		for j, l := range loaded {
			exampletest.Until(t, l.name+" goes on", func() bool { return l.calls.Load() >= want[j] || l.failed() != nil })
		}
		if i == *restarts/2 {
			write(changed)
			loaded = loads
			dropped.dropping.Store(true)
		}
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 5)
		if addr := g.Addr["new"]; addr != "" && i == *restarts/2 {
			loads = append(loads, begin("added, fresh", addr, connectLine, true))
			loaded = loads
		}
	}
	// The old process serves the queue of the dropped listener for as long as
	// clients keep coming, up to a second, whatever the other listeners do.
	exampletest.Until(t, "the clients of the dropped listener are refused", func() bool {
		return dropped.refused.Load() == clients || dropped.failed() != nil
	})
	close(stop)
	running.Wait()
	for _, l := range append(loads, dropped) {
		if err := l.failed(); err != nil {
			t.Errorf("%s: %v", l.name, err)
		}
		t.Logf("%-16s %6d calls, %d lost", l.name+":", l.calls.Load(), l.lost.Load())
	}
	exampletest.Refused(t, dropped.addr)
	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}
