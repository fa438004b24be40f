//go:build linux

package handshake

import (
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

func pair(t *testing.T) (a, b *channel.Conn) {
	t.Helper()
	a, f, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err = channel.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []*channel.Conn{a, b} {
		c.SetDeadline(time.Now().Add(2 * time.Minute)) // much to encode, and the race detector
		t.Cleanup(func() { c.Close() })
	}
	return a, b
}

// However many listeners there are, and however long their names, the
// predecessor hears of all of them.
func TestReadyNamesEveryListener(t *testing.T) {
	for name, tt := range map[string]struct {
		n    int
		name string
	}{
		"none":             {0, ""},
		"one":              {1, "web"},
		"many":             {4000, "127.0.0.1:"},
		"the longest":      {200, strings.Repeat("x", 250)},
		"the longest, odd": {200, strings.Repeat("\x00", 250)},
	} {
		t.Run(name, func(t *testing.T) {
			ours, theirs := pair(t)
			var want Claims
			kinds := slices.Repeat([]string{strings.Repeat("\x00", MaxKind)}, MaxKinds)
			for i := range tt.n {
				listener := tt.name + fmt.Sprint(i)
				want.Claimed = append(want.Claimed, listener)
				if i%3 > 0 {
					want.Adopts = append(want.Adopts, listener)
				}
				if i%2 > 0 {
					want.add(nil, nil, map[string][]string{listener: kinds})
				}
			}
			go func() {
				if err := (&Follower{Conn: theirs}).Ready(want); err != nil {
					t.Error(err)
				}
			}()
			a := &attempt{Successor: Successor{Conn: ours}, room: tt.n}
			var ready wire.Ready
			if err := a.await(wire.TypeReady, &ready); err != nil {
				t.Fatal(err)
			}
			a.add(ready.Claimed, ready.Adopts, nil)
			got := a.Claims
			if !slices.Equal(got.Claimed, want.Claimed) || !slices.Equal(got.Adopts, want.Adopts) {
				t.Errorf("got %d claimed and %d that adopt, want %d and %d", len(got.Claimed), len(got.Adopts), len(want.Claimed), len(want.Adopts))
			}
			if !maps.EqualFunc(got.Kinds, want.Kinds, slices.Equal) {
				t.Errorf("got %d that adopt other kinds, want %d with %d kinds each", len(got.Kinds), len(want.Kinds), MaxKinds)
			}
		})
	}
}

// "commit" before "ready" would let a successor serve that is not ready.
func TestCommitBeforeReadyIsRefused(t *testing.T) {
	ours, theirs := pair(t)
	if err := ours.Send(wire.TypeCommit, wire.Commit{}); err != nil {
		t.Fatal(err)
	}
	err := (&Follower{Conn: theirs}).Follow(Steps{
		Commit:   func() error { t.Error("it committed"); return nil },
		TakeOver: func(bool, bool) bool { t.Error("it took over"); return false },
	})
	if err == nil || !strings.Contains(err.Error(), "before ready") {
		t.Errorf("got %v, want that it was not ready", err)
	}
}

// What the predecessor waits for must not get lost without a word: it would wait
// until ReadyTimeout, and could not say why.
func TestMessagesThatCannotBeSent(t *testing.T) {
	ours, theirs := pair(t)
	f := &Follower{Conn: theirs}
	if err := f.Ready(Claims{}); err != nil {
		t.Fatal(err)
	}
	if err := ours.Send(wire.TypeCommit, wire.Commit{}); err != nil {
		t.Fatal(err)
	}
	err := f.Follow(Steps{Commit: func() error { return theirs.Close() }})
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "send committed") {
		t.Errorf("committed: got %v, want that it was not sent", err)
	}

	ours, theirs = pair(t)
	f = &Follower{Conn: theirs}
	if err := f.Ready(Claims{}); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(ours.Send(wire.TypeCommit, wire.Commit{}), ours.Send(wire.TypeGo, wire.Go{})); err != nil {
		t.Fatal(err)
	}
	err = f.Follow(Steps{Commit: func() error { return nil }, TakeOver: func(_, _ bool) bool { theirs.Close(); return true }})
	if !errors.Is(err, net.ErrClosed) || !strings.Contains(err.Error(), "send serving") {
		t.Errorf("serving: got %v, want that it was not sent", err)
	}

	ours, theirs = pair(t)
	ours.Close()
	if err := (&Follower{Conn: theirs}).Ready(Claims{}); err != nil {
		t.Errorf("to a predecessor that has died: got %v, want nil", err)
	}
}
