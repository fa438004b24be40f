//go:build linux

package restart

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// The successor learns how far a drain is, and can end it.
func TestEarlierGeneration(t *testing.T) {
	o, x := startSuccessor(t, Options{})
	inScript(func() { o.toServing(wire.Go{}) })
	x.reached(StateServing, 1)
	if got := x.r.Status().Draining; len(got) != 1 || got[0].Generation != 3 || got[0].Connections != -1 {
		t.Errorf("got %+v, want generation 3, which has not told", got)
	}
	if err := x.r.HammerEarlier(3); err == nil || !strings.Contains(err.Error(), "SIGUSR2") {
		t.Errorf("got %v, want what to do instead", err)
	}
	if err := x.r.HammerEarlier(2); err == nil || !strings.Contains(err.Error(), "no such generation") {
		t.Errorf("got %v, want that there is none", err)
	}

	drained := make(chan Event, 1)
	x.r.OnEvent(func(e Event) {
		if e.Kind == EventEarlierDrained {
			drained <- e
		}
	})
	inScript(func() { o.send(wire.TypeProgress, wire.Progress{Generation: 3, Connections: 7}) })
	until(t, "the connections are counted", func() bool { return x.r.Status().Draining[0].Connections == 7 })
	if err := x.r.HammerEarlier(3); err != nil {
		t.Error(err)
	}
	inScript(func() {
		o.want(wire.TypeHammer, nil)
		o.send(wire.TypeProgress, wire.Progress{Generation: 3, HandedOver: 6, Announced: 2, Cut: 1, Over: true})
	})
	e := <-drained
	e.Time = time.Time{}
	if want := (Event{Kind: EventEarlierDrained, Generation: 4, Earlier: 3, HandedOver: 6, Announced: 2, Cut: 1}); e != want {
		t.Errorf("got %+v, want %+v", e, want)
	}
	o.peer.die()
	until(t, "the process is gone", func() bool { return x.r.HammerEarlier(3) != nil })
}

// A predecessor of this version listens before it has told anything.
func TestHammerEarlierAtOnce(t *testing.T) {
	o := newOldProcess(t)
	o.since = time.Now()
	o.sendManifest()
	x, err := o.inherit(t, Options{})
	if err != nil {
		t.Fatal(err)
	}
	inScript(func() { o.toServing(wire.Go{}) })
	x.reached(StateServing, 1)
	if err := x.r.HammerEarlier(3); err != nil {
		t.Error(err)
	}
	inScript(func() { o.want(wire.TypeHammer, nil) })
}

// What is known of a generation comes with its channel.
func TestEarlierGenerationOfAChannel(t *testing.T) {
	o, x := startSuccessor(t, Options{})
	inScript(func() { o.toServing(wire.Go{}) })
	x.reached(StateServing, 1)
	ours, theirs, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer theirs.Close()
	source := wire.Source{Progress: wire.Progress{Generation: 3, Connections: 4}}
	recipient{x.r, x.r.mail}.Follow(ours, source)
	x.inLoop(func(*loop) {})
	if got := x.r.Status().Draining; len(got) != 1 || got[0].Connections != 4 {
		t.Errorf("got %+v, want 4 connections", got)
	}
	if err := x.r.HammerEarlier(3); err != nil {
		t.Error(err)
	}
}

// The old process says how many connections it has, and obeys the successor.
func TestDrainTellsTheSuccessor(t *testing.T) {
	told := make(chan wire.Progress, 2)
	x := start(t, Options{HammerTime: -1}, spawning(t, func(p *peer) {
		toGo(p)
		p.send(wire.TypeServing, wire.Serving{})
		var m wire.Progress
		p.want(wire.TypeProgress, &m)
		told <- m
		p.send(wire.TypeHammer, wire.Hammer{})
		for m.Over = false; !m.Over; {
			p.want(wire.TypeProgress, &m)
		}
		told <- m
	})).serving()
	accepted := make(chan struct{})
	hold := func(c net.Conn) { close(accepted); c.Read(make([]byte, 1)) }
	x.service.accept.Store(&hold)
	c, err := net.DialTimeout("tcp", x.address, patience)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	<-accepted
	until(t, "the connection before is closed", func() bool { return x.r.Status().Listeners[0].Connections == 1 })
	if err := x.r.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := <-told, (wire.Progress{Generation: 1, Connections: 1}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	x.drained()
	x.cut(1)
	if got, want := <-told, (wire.Progress{Generation: 1, Cut: 1, Over: true}); got != want {
		t.Errorf("at the end: got %+v, want %+v", got, want)
	}
}

func TestHammerEarlierBeforeRun(t *testing.T) {
	r := fakeRestarter(t, Options{}, fakeSystem())
	if err := r.HammerEarlier(1); !errors.Is(err, ErrNotServing) {
		t.Errorf("got %v, want ErrNotServing", err)
	}
}

// What a generation says of itself reaches all later ones.
func TestLifelinesSayWhoTheyAre(t *testing.T) {
	r := fakeRestarter(t, Options{Version: "v7"}, fakeSystem())
	since := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	lines := r.lifelines(since)
	if n := len(lines); n != 1 || lines[0].Version != "v7" || !lines[0].Since.Equal(since) {
		t.Errorf("got %s", fmt.Sprint(lines))
	}
}
