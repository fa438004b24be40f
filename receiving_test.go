//go:build linux

package restart

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/wire"
)

// Connections that move must not take the descriptors that the next restart
// needs.
func TestAdoptLeavesDescriptorsForARestart(t *testing.T) {
	r := &Restarter{table: newTable(net.ListenConfig{}, sockaddr.Listen, nil), log: slog.New(slog.DiscardHandler)}
	a := &adopterStub{room: 2}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := gate.New(ln.(gate.Socket))
	defer g.Close()
	r.table.sockets = []*socket{{name: "web", inherited: "web", stream: a, ln: g}}
	to := recipient{r, newMailbox()}

	_, server := tcpPair(t)
	var fd uint64
	if err := fdutil.Control(server.(syscall.Conn), func(n int) error { fd = uint64(n); return nil }); err != nil {
		t.Fatal(err)
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	defer syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
	for _, tt := range []struct {
		left uint64
		want error
	}{{0, errScarce}, {fd + spareFiles + filesPerListener, nil}} {
		low := syscall.Rlimit{Cur: fd + 1 + tt.left, Max: limit.Max}
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &low); err != nil {
			t.Fatal(err)
		}
		if err := to.Adopt("web", server, nil); !errors.Is(err, tt.want) {
			t.Errorf("with %d descriptors left: got %v, want %v", tt.left, err, tt.want)
		}
	}
}

// A predecessor that passes channels on without end must not take our memory.
func TestReceiversAreBounded(t *testing.T) {
	l := newLoop(&Restarter{log: slog.New(slog.DiscardHandler)})
	t.Cleanup(func() {
		for _, r := range l.receivers {
			r.Close()
		}
	})
	var last *channel.Conn
	for range maxReceivers + 1 {
		ours, theirs, err := channel.Pair()
		if err != nil {
			t.Fatal(err)
		}
		f, err := channel.Open(theirs)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		l.receiveOn(ours, wire.Source{})
		last = f
	}
	if got := len(l.receivers); got != maxReceivers {
		t.Errorf("got %d, want %d", got, maxReceivers)
	}
	last.SetDeadline(time.Now().Add(patience))
	if _, _, err := last.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the last one: got %v, want that it is closed", err)
	}
}

// The same with what it tells of generations that there are none.
func TestProgressIsBounded(t *testing.T) {
	r := &Restarter{pred: &handshake.Follower{Manifest: handshake.Manifest{Lifelines: []handshake.Lifeline{{Generation: 3}}}}}
	for generation := range 1000 {
		r.noteConnections(generation, 1)
	}
	if got := len(r.earlierConns); got != 1 {
		t.Errorf("got %d generations, want the one that there is", got)
	}
}
