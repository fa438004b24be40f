//go:build linux

package transfer

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/wire"
)

// A fakeRecipient keeps what it gets.
type fakeRecipient struct {
	adopt   func(name string, c net.Conn, state []byte) error
	merged  chan string
	follows chan wire.Source
	aborts  chan string
	drains  chan wire.Progress
}

func newRecipient() *fakeRecipient {
	return &fakeRecipient{merged: make(chan string, 10), follows: make(chan wire.Source, 10), aborts: make(chan string, 10), drains: make(chan wire.Progress, 10)}
}

func (r *fakeRecipient) Adopt(name string, c net.Conn, state []byte) error {
	return r.adopt(name, c, state)
}
func (r *fakeRecipient) Merge(name string, state []byte) { r.merged <- name + " " + string(state) }
func (r *fakeRecipient) Aborted(reason string)           { r.aborts <- reason }
func (r *fakeRecipient) Drains(p wire.Progress)          { r.drains <- p }

func (r *fakeRecipient) Confirmed() { r.aborts <- "confirmed" }
func (r *fakeRecipient) Follow(conn *channel.Conn, source wire.Source) {
	conn.Close()
	r.follows <- source
}

// receiving returns a Receiver and the old process's end of its channel.
func receiving(t *testing.T, names map[string]string, to Recipient) (*Receiver, *channel.Conn) {
	t.Helper()
	ours, f, err := channel.Pair()
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := channel.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	theirs.SetDeadline(time.Now().Add(20 * time.Second))
	r := Receive(ours, wire.Source{Names: names}, to, slog.New(slog.DiscardHandler))
	t.Cleanup(func() { theirs.Close(); <-r.done; r.Close() })
	wantReceiving(t, theirs, wire.Receiving{})
	return r, theirs
}

// wantReceiving wants that the process at the other end says whether it receives.
func wantReceiving(t *testing.T, c *channel.Conn, want wire.Receiving) {
	t.Helper()
	f, _, err := c.Recv()
	var got wire.Receiving
	if err == nil {
		err = f.Decode(&got)
	}
	if err != nil || f.Type != wire.TypeReceiving || got != want {
		t.Errorf("got %v %+v, %v; want %v %+v", f.Type, got, err, wire.TypeReceiving, want)
	}
}

// sendConns sends n connections that are all to the same peer.
func sendConns(t *testing.T, to *channel.Conn, m wire.Conns, n int) {
	t.Helper()
	_, server := proctest.TCPPair(t)
	var fds []int
	for range n {
		fd, err := fdutil.DupRaw(server.(*net.TCPConn))
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, fd)
	}
	if err := to.SendRaw(wire.TypeConns, m, fds); err != nil {
		t.Fatal(err)
	}
}

// A connection that does not arrive (no free descriptors) or is refused is
// answered for: the predecessor keeps it.
func TestReceiverAnswers(t *testing.T) {
	to := newRecipient()
	adopted := make(chan string, 4)
	to.adopt = func(name string, c net.Conn, state []byte) error {
		if string(state) == "odd" {
			return errors.New("odd")
		}
		adopted <- name
		return c.Close()
	}
	_, old := receiving(t, nil, to)
	sendConns(t, old, wire.Conns{Batch: 7, Conns: []wire.Conn{{Name: "a"}, {Name: "b", State: []byte("odd")}, {Name: "c"}, {Name: "d"}}}, 3)
	f, _, err := old.Recv()
	var answer wire.Adopted
	if err == nil {
		err = f.Decode(&answer)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(answer.Batch, answer.Refused, answer.Reason), "7 [1 3]odd"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got, want := (<-adopted)+(<-adopted), "ac"; got != want {
		t.Errorf("got %q adopted, want %q", got, want)
	}
}

// An earlier generation uses names that may have changed since.
func TestReceiverTranslatesNames(t *testing.T) {
	to := newRecipient()
	names := make(chan string, 2)
	to.adopt = func(name string, c net.Conn, _ []byte) error { names <- name; return c.Close() }
	r, old := receiving(t, map[string]string{"web": "www"}, to)
	sendConns(t, old, wire.Conns{Conns: []wire.Conn{{Name: "web"}, {Name: "dropped"}}}, 2)
	if _, _, err := old.Recv(); err != nil {
		t.Fatal(err)
	}
	if got, want := (<-names)+","+(<-names), "www,"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	// The next generation gets the channel, and names of its predecessor's.
	if !r.Stop(20 * time.Second) {
		t.Fatal("Stop: receiving goes on")
	}
	to2 := newRecipient()
	_, next := receiving(t, nil, to2)
	if err := r.PassOn(next, map[string]string{"www": "main", "other": "other"}); err != nil {
		t.Fatal(err)
	}
	wantReceiving(t, old, wire.Receiving{Over: true})
	if got, want := fmt.Sprint((<-to2.follows).Names), "map[web:main]"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReceiverMergesTheLastState(t *testing.T) {
	to := newRecipient()
	_, old := receiving(t, nil, to)
	s := NewSender(old)
	long := strings.Repeat("x", 1<<20)
	if err := s.SendLastState("web", []byte(long)); err != nil {
		t.Fatal(err)
	}
	if got := <-to.merged; got != "web "+long {
		t.Errorf("got %d bytes, want %d", len(got)-len("web "), len(long))
	}
	s.Close()
}

// Messages that cannot be understood end the channel, not only our reading of
// it: connections that were still to come would hang otherwise.
func TestReceiverClosesTheChannelItCannotRead(t *testing.T) {
	for name, send := range map[string]func(*channel.Conn) error{
		"conns": func(c *channel.Conn) error { return c.Send(wire.TypeConns, "no object") },
		"state": func(c *channel.Conn) error { return c.Send(wire.TypeLastState, "no object") },
	} {
		t.Run(name, func(t *testing.T) {
			r, old := receiving(t, nil, newRecipient())
			if err := send(old); err != nil {
				t.Fatal(err)
			}
			// What is in the channel was not taken.
			if f, _, err := old.Recv(); err != nil || f.Type != wire.TypeFailed {
				t.Errorf("got %v, %v; want that it gives up", f.Type, err)
			}
			if _, _, err := old.Recv(); err != io.EOF {
				t.Errorf("got %v, want EOF", err)
			}
			<-r.done
		})
	}
}

// A process that ends in good order leaves what it has not received to the
// sender, which can serve it on.
func TestReceiverResigns(t *testing.T) {
	r, old := receiving(t, nil, newRecipient())
	if !r.Stop(20 * time.Second) {
		t.Fatal("Stop: receiving goes on")
	}
	s := NewSender(old)
	defer s.Close()
	_, server := proctest.TCPPair(t)
	sent := make(chan error)
	go func() { sent <- s.Send("web", server.(*net.TCPConn), nil) }()
	r.Resign()
	r.Close()
	if err := <-sent; !errors.Is(err, ErrGone) {
		t.Errorf("got %v, want that it is gone", err)
	}
}

func TestReceiverPassesConfirmedOn(t *testing.T) {
	to := newRecipient()
	_, old := receiving(t, nil, to)
	if err := old.Send(wire.TypeConfirmed, wire.Confirmed{}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-to.aborts, "confirmed"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	wantReceiving(t, old, wire.Receiving{}) // what was said during the probation is lost
}

func TestReceiverPassesAbortOn(t *testing.T) {
	to := newRecipient()
	_, old := receiving(t, nil, to)
	if err := old.Send(wire.TypeAbort, wire.Abort{Reason: "too late"}); err != nil {
		t.Fatal(err)
	}
	if got, want := <-to.aborts, "too late"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Both ends of a drain: the receiver learns how far it is and may end it.
func TestProgressAndHammer(t *testing.T) {
	to := newRecipient()
	r, old := receiving(t, nil, to)
	s := NewSender(old)
	if got := r.Generation(); got != 0 {
		t.Errorf("got generation %d before it was told", got)
	}
	told := wire.Progress{Generation: 4, Connections: 12, HandedOver: 3, Announced: 2, Cut: 1}
	if err := s.Progress(told); err != nil {
		t.Fatal(err)
	}
	if got := <-to.drains; got != told {
		t.Errorf("got %+v, want %+v", got, told)
	}
	if got := r.Generation(); got != 4 {
		t.Errorf("got generation %d, want 4", got)
	}
	for range 2 { // once is enough, twice does no harm
		if err := r.Hammer(); err != nil {
			t.Error(err)
		}
	}
	<-s.Hammered()
	defer s.Close()

	// The next generation knows at once what the sender need not say again.
	if !r.Stop(20 * time.Second) {
		t.Fatal("Stop: receiving goes on")
	}
	heir := newRecipient()
	_, next := receiving(t, nil, heir)
	if err := r.PassOn(next, nil); err != nil {
		t.Fatal(err)
	}
	if got := <-heir.follows; got.Progress != told {
		t.Errorf("got %+v, want %+v", got.Progress, told)
	}
}
