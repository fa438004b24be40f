//go:build linux

package handshake

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/hostiletest"
	"example.com/restart/internal/spawn"
	"example.com/restart/internal/wire"
)

// FuzzInherit is a successor whose predecessor sends anything.
func FuzzInherit(f *testing.F) {
	hello := hostiletest.Frame(wire.TypeHello, wire.Hello{PID: os.Getpid(), Generation: 1}, 0)
	files := wire.Files{Files: []wire.File{{Kind: wire.KindListener, Name: "web"}, {Kind: wire.KindLifeline, PID: 1}, {Kind: wire.KindStderr}, {Kind: wire.KindRelay}, {Kind: "new"}}}
	start := hostiletest.Frame(wire.TypeStart, wire.Start{}, 0)
	for _, seed := range [][]hostiletest.Packet{
		{},
		{hello, hostiletest.Frame(wire.TypeFiles, files, 5), hostiletest.Frame(wire.TypeState, wire.State{Name: "web", Data: []byte("x"), Last: true}, 0), start},
		{hello, hostiletest.Frame(wire.TypeFiles, files, 4)},          // one is missing
		{hello, hostiletest.Frame(wire.TypeFiles, files, 8)},          // or too many
		{hello, {Type: wire.TypeFiles, Files: 3, Bytes: []byte("{")}}, // cannot be understood
		{hello, hostiletest.Frame(wire.TypeState, wire.State{}, 2), hostiletest.Frame(wire.TypeAbort, wire.Abort{}, 2)},
		{hello, hostiletest.Frame(wire.TypeConns, wire.Conns{}, 3)}, // out of turn
		{hello, {Type: 200, Files: 3}, {Files: 3, Bytes: []byte("GET / HTTP/1.1\r\n\r\n")}},
		{hello, {Files: 1}}, // an empty packet
		{hostiletest.Frame(wire.TypeHello, wire.Hello{PID: 1, Generation: 1}, 3)},
		{hostiletest.Frame(wire.TypeStart, wire.Start{}, 3)},
	} {
		f.Add(hostiletest.Script(seed...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		before := hostiletest.OpenFiles(t)
		ours, theirs, err := channel.Pair()
		if err != nil {
			t.Fatal(err)
		}
		hostiletest.Play(t, theirs, script)
		theirs.Close() // or it would wait for more
		if follower, err := Meet(ours); err == nil {
			sockets := follower.Sockets
			follower.Close()
			for _, s := range sockets {
				s.File.Close()
			}
		}
		if after := hostiletest.OpenFiles(t); after != before {
			t.Errorf("%d files are open, want %d as before", after, before)
		}
	})
}

// leadHostile leads a successor that plays a script and ends while another process
// holds its channel: all that it has sent is received.
func leadHostile(t *testing.T, script []byte) error {
	t.Helper()
	var end *os.File
	defer func() { end.Close() }() // now the process has ended
	l := Leader{
		Start: func(theirs *os.File, _ *spawn.Tail, greet spawn.Greeting) (_ spawn.Process, err error) {
			if end, err = fdutil.Dup(theirs); err != nil {
				t.Fatal(err)
			}
			hostiletest.Play(t, end, script)
			return dead{"exit status 1"}, greet(nil, nil)
		},
		Replacing: func(int) error { return nil },
		Again:     func() bool { return false },
		Passed:    func(Step) {},
		Log:       slog.New(slog.DiscardHandler),
		look:      time.Millisecond,
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	s, err := l.Lead(ctx, &Manifest{PID: os.Getpid(), Generation: 1})
	if err == nil {
		s.Conn.Close()
		s.Release()
	}
	return err
}

// FuzzLead is a predecessor whose successor sends anything.
func FuzzLead(f *testing.F) {
	ready := hostiletest.Frame(wire.TypeReady, wire.Ready{PID: os.Getpid()}, 2)
	committed := hostiletest.Frame(wire.TypeCommitted, wire.Committed{}, 2)
	for _, seed := range [][]hostiletest.Packet{
		{},
		{ready, committed, hostiletest.Frame(wire.TypeServing, wire.Serving{}, 2)},
		{hostiletest.Frame(wire.TypeClaims, wire.Claims{Claimed: []string{"web"}}, 1), ready},
		{hostiletest.Frame(wire.TypeNote, wire.Note{Text: "last words"}, 1), hostiletest.Frame(wire.TypeFailed, wire.Note{Text: "no"}, 1)},
		{hostiletest.Frame(wire.TypeReady, wire.Ready{PID: 1}, 1)},
		{ready, hostiletest.Frame(wire.TypeAdopted, wire.Adopted{Batch: 1}, 3)},
		{{Type: wire.TypeReady, Files: 3, Bytes: []byte("{")}},
		{{Type: 200, Files: 3}, {Files: 3, Bytes: []byte("SSH-2.0-x\r\n")}},
		{ready, committed, {Files: 2}},
	} {
		f.Add(hostiletest.Script(seed...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		before := hostiletest.OpenFiles(t)
		_ = leadHostile(t, script)
		if after := hostiletest.OpenFiles(t); after != before {
			t.Errorf("%d files are open, want %d as before", after, before)
		}
	})
}

// A successor that claims without end must not take our memory.
func TestClaimsAreBounded(t *testing.T) {
	claims := hostiletest.Frame(wire.TypeClaims, wire.Claims{Kinds: map[string][]string{"web": {"kept"}}}, 0)
	for name, p := range map[string]hostiletest.Packet{
		"claimed": hostiletest.Frame(wire.TypeClaims, wire.Claims{Claimed: []string{"web"}}, 0),
		"adopts":  hostiletest.Frame(wire.TypeClaims, wire.Claims{Adopts: []string{"web"}}, 0),
		"kinds":   claims,
		"ready":   hostiletest.Frame(wire.TypeReady, wire.Ready{PID: os.Getpid(), Claimed: []string{"web"}}, 0),
	} {
		err := leadHostile(t, hostiletest.Script(p))
		if !errors.Is(err, errClaims) {
			t.Errorf("%s: got %v, want that it claims too much", name, err)
		}
	}
	if err := leadHostile(t, hostiletest.Script(hostiletest.Frame(wire.TypeNote, wire.Note{Text: strings.Repeat("x", 5000)}, 0))); err == nil || len(err.Error()) > 6000 {
		t.Errorf("got %d bytes of last words", len(err.Error()))
	}
}
