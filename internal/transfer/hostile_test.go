//go:build linux

package transfer

import (
	"errors"
	"log/slog"
	"net"
	"testing"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/hostiletest"
	"example.com/restart/internal/wire"
)

// A closing recipient takes every second connection, and closes what it takes.
type closing struct{ adopted int }

func (r *closing) Adopt(_ string, c net.Conn, _ []byte) error {
	if r.adopted++; r.adopted%2 == 0 {
		return errors.New("one is enough")
	}
	return c.Close()
}
func (*closing) Merge(string, []byte)                  {}
func (*closing) Follow(c *channel.Conn, _ wire.Source) { c.Close() }
func (*closing) Drains(wire.Progress)                  {}
func (*closing) Confirmed()                            {}
func (*closing) Aborted(string)                        {}

// FuzzReceive is a successor whose predecessor sends anything once it serves.
func FuzzReceive(f *testing.F) {
	conns := wire.Conns{Batch: 1, Conns: []wire.Conn{{Name: "web"}, {Name: "web", State: []byte("x")}, {Name: "b"}}}
	for _, seed := range [][]hostiletest.Packet{
		{},
		{hostiletest.Frame(wire.TypeConns, conns, 3)},
		{hostiletest.Frame(wire.TypeConns, conns, 2), hostiletest.Frame(wire.TypeConns, conns, 8)},
		{hostiletest.Frame(wire.TypeLastState, wire.LastState{Name: "web", Size: 1 << 40}, 1), hostiletest.Frame(wire.TypeLastState, wire.LastState{Size: 1}, 3)},
		{hostiletest.Frame(wire.TypeSource, wire.Source{Names: map[string]string{"a": "b"}}, 8)},
		{hostiletest.Frame(wire.TypeProgress, wire.Progress{Generation: 1, Connections: -1}, 2), hostiletest.Frame(wire.TypeConfirmed, wire.Confirmed{}, 1)},
		{hostiletest.Frame(wire.TypeAbort, wire.Abort{Reason: "no"}, 1), hostiletest.Frame(wire.TypeReady, wire.Ready{PID: 1}, 1)},
		{{Type: wire.TypeConns, Files: 3, Bytes: []byte("{")}},
		{{Type: wire.TypeLastState, Files: 3, Bytes: []byte("{")}},
		{{Type: wire.TypeSource, Files: 3, Bytes: []byte("[]")}},
		{{Type: 200, Files: 3}, {Files: 3, Bytes: []byte("GET / HTTP/1.1\r\n\r\n")}},
		{{Files: 3}},
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
		theirs.Close()
		r := Receive(ours, wire.Source{}, new(closing), slog.New(slog.DiscardHandler))
		<-r.done
		r.Close()
		if after := hostiletest.OpenFiles(t); after != before {
			t.Errorf("%d files are open, want %d as before", after, before)
		}
	})
}

// FuzzAnswers is a predecessor whose successor answers anything to a connection
// that it was sent.
func FuzzAnswers(f *testing.F) {
	for _, seed := range [][]hostiletest.Packet{
		{},
		{hostiletest.Frame(wire.TypeAdopted, wire.Adopted{Batch: 1}, 1)},
		{hostiletest.Frame(wire.TypeAdopted, wire.Adopted{Batch: 1, Refused: []int{0, 0, -1, 1 << 30}, Reason: "no"}, 1)},
		{hostiletest.Frame(wire.TypeAdopted, wire.Adopted{Batch: 2}, 1), hostiletest.Frame(wire.TypeFailed, wire.Note{}, 1)},
		{hostiletest.Frame(wire.TypeReceiving, wire.Receiving{}, 1), hostiletest.Frame(wire.TypeReceiving, wire.Receiving{Over: true}, 1)},
		{hostiletest.Frame(wire.TypeHammer, wire.Hammer{}, 1), hostiletest.Frame(wire.TypeHammer, wire.Hammer{}, 1)},
		{{Type: wire.TypeAdopted, Files: 3, Bytes: []byte("{")}},
		{{Files: 3, Bytes: []byte("SSH-2.0-x\r\n")}},
		{{Files: 3}},
	} {
		f.Add(hostiletest.Script(seed...))
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		before := hostiletest.OpenFiles(t)
		ours, theirs, err := channel.Pair()
		if err != nil {
			t.Fatal(err)
		}
		file, err := ours.File() // any descriptor will do
		if err != nil {
			t.Fatal(err)
		}
		s := NewSender(ours)
		sent := make(chan error, 1)
		go func() { sent <- s.Send("web", file, nil) }()
		hostiletest.Play(t, theirs, script)
		theirs.Close()
		<-sent
		s.Close()
		file.Close()
		if after := hostiletest.OpenFiles(t); after != before {
			t.Errorf("%d files are open, want %d as before", after, before)
		}
	})
}
