//go:build linux

package restart

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/transfer"
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

	_, server := proctest.TCPPair(t)
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
		ours, theirs := channelPair(t)
		l.receiveOn(ours, wire.Source{})
		last = theirs
	}
	if got := len(l.receivers); got != maxReceivers {
		t.Errorf("got %d, want %d", got, maxReceivers)
	}
	if f, _, err := last.Recv(); err != nil || f.Type != wire.TypeFailed {
		t.Errorf("the last one: got %v, %v, want that it is declined", f.Type, err)
	}
	if _, _, err := last.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("the last one: got %v, want that it is closed", err)
	}
}

// A channel may come to a process that drains, when restarts follow quickly: from an
// earlier generation, by way of the predecessor. The process takes nothing from it,
// because its services may have ended.
func TestChannelThatComesInTheDrainIsPassedOn(t *testing.T) {
	toSuccessor, successor := channelPair(t)
	ours, earlier := channelPair(t)
	if err := earlier.Send(wire.TypeProgress, wire.Progress{Generation: 1}); err != nil {
		t.Fatal(err)
	}
	l := drainingLoop(toSuccessor)
	l.receiveOn(ours, wire.Source{Progress: wire.Progress{Generation: 1}})
	l.passes.Wait()
	if earlier.Waiting() { // whoever receives says so first
		t.Error("this process receives from the channel")
	}

	f, files, err := successor.Recv()
	if err != nil || f.Type != wire.TypeSource || len(files) != 1 {
		t.Fatalf("the successor got %v with %d files, %v; want the channel", f.Type, len(files), err)
	}
	passed, err := channel.Open(files[0])
	if err != nil {
		t.Fatal(err)
	}
	defer passed.Close()
	if f, _, err := passed.Recv(); err != nil || f.Type != wire.TypeProgress {
		t.Errorf("on the channel: got %v, %v, want what was sent before", f.Type, err)
	}
}

// The end of the channel without a word would be the successor's death: what was sent
// would have to be closed.
func TestChannelThatCannotBePassedOnIsDeclined(t *testing.T) {
	for _, tt := range []struct {
		name    string
		arrange func(l *loop, successor *channel.Conn)
	}{
		{"the successor has ended", func(_ *loop, successor *channel.Conn) { successor.Close() }},
		{"this process has ended", func(l *loop, _ *channel.Conn) { l.state = StateStopped }},
		{"nobody waits for it any more", func(l *loop, _ *channel.Conn) { close(l.mail.closed) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			toSuccessor, successor := channelPair(t)
			ours, earlier := channelPair(t)
			l := drainingLoop(toSuccessor)
			tt.arrange(l, successor)
			select {
			case <-l.mail.closed:
				recipient{l.r, l.mail}.Follow(ours, wire.Source{})
			default:
				l.receiveOn(ours, wire.Source{})
			}
			if f, _, err := earlier.Recv(); err != nil || f.Type != wire.TypeFailed {
				t.Errorf("got %v, %v, want %v", f.Type, err, wire.TypeFailed)
			}
		})
	}
}

// The same for a channel from which this process has received.
func TestReceiverThatCannotBePassedOnResigns(t *testing.T) {
	toSuccessor, successor := channelPair(t)
	ours, earlier := channelPair(t)
	l := drainingLoop(toSuccessor)
	successor.Close()
	l.passOn([]*transfer.Receiver{transfer.Receive(ours, wire.Source{}, recipient{l.r, l.mail}, l.log)})()
	for _, want := range []wire.Type{wire.TypeReceiving, wire.TypeReceiving, wire.TypeFailed} { // it receives, and does not any more
		if f, _, err := earlier.Recv(); err != nil || f.Type != want {
			t.Errorf("got %v, %v, want %v", f.Type, err, want)
		}
	}
}

func TestDrainWaitsUntilChannelsArePassedOn(t *testing.T) {
	for _, stuck := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			l := drainingLoop(nil)
			release := make(chan struct{})
			l.passes.Go(func() { <-release })
			l.handle(drainEnded{})
			synctest.Wait()
			select {
			case m := <-l.mail.in:
				t.Errorf("got %#v before the channel was passed on", m)
			default:
			}
			if !stuck {
				close(release)
			}
			if m := <-l.mail.in; m != (drained{}) {
				t.Errorf("got %#v, want that the drain is over", m)
			}
			if stuck {
				close(release)
			}
		})
	}
}

func drainingLoop(toSuccessor *channel.Conn) *loop {
	l := newLoop(&Restarter{
		log: slog.New(slog.DiscardHandler), mail: newMailbox(),
		table: newTable(net.ListenConfig{}, sockaddr.Listen, nil),
	})
	l.state, l.successor = StateDraining, &handshake.Successor{Conn: toSuccessor}
	return l
}

// channelPair returns both ends of a channel, with a deadline.
func channelPair(t *testing.T) (*channel.Conn, *channel.Conn) {
	t.Helper()
	a, f, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	b, err := channel.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close(); b.Close() })
	b.SetDeadline(time.Now().Add(patience))
	return a, b
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
