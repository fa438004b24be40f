//go:build linux

package restart

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/gate"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/wire"
)

// The hammer ends what is here. A connection that is on its way may be the
// successor's already, and a FIN would reach its client from there.
func TestHammerSparesWhatIsOnItsWay(t *testing.T) {
	s, theirs := senders(t)
	client, server := proctest.TCPPair(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := gate.New(ln.(*net.TCPListener))
	defer g.Close()
	tracked, _ := g.Conns().Track(server)
	h := &Handover{name: "web", sender: s}
	sent := make(chan error, 1)
	go func() { sent <- h.Send(tracked, nil) }()
	f, files, err := theirs.Recv()
	var m wire.Conns
	if err == nil {
		err = f.Decode(&m)
	}
	if err != nil {
		t.Fatal(err)
	}
	moved, err := net.FileConn(files[0])
	channel.CloseAll(files)
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()

	d := newDrain(-1, nil, nil, slog.New(slog.DiscardHandler))
	d.parts = []*part{{socket: &socket{name: "web", ln: g, stream: newTestService()}}}
	d.cut()
	if got := d.wasCut.Load(); got != 0 {
		t.Errorf("%d connections count as cut, want 0", got)
	}
	if err := theirs.Send(wire.TypeAdopted, wire.Adopted{Batch: m.Batch}); err != nil {
		t.Fatal(err)
	}
	if err := <-sent; err != nil {
		t.Errorf("Send: %v", err)
	}
	if _, err := io.WriteString(moved, "hello"); err != nil {
		t.Errorf("the successor cannot answer: %v", err)
	}
	b := make([]byte, 5)
	if _, err := io.ReadFull(client, b); err != nil || string(b) != "hello" {
		t.Errorf("the client got %q, %v", b, err)
	}

	_, late := proctest.TCPPair(t)
	other := gate.New(ln.(*net.TCPListener))
	tracked, _ = other.Conns().Track(late)
	other.Conns().Seal()
	if err := h.Send(tracked, nil); !errors.Is(err, errEnding) {
		t.Errorf("a connection that is about to be cut: got %v, want a refusal", err)
	}
}

// A stubborn service returns from nothing.
type stubborn struct{ end chan struct{} }

func (s *stubborn) ServePacket(net.PacketConn) error { return nil }
func (s *stubborn) Shutdown(context.Context) error   { <-s.end; return nil }
func (s *stubborn) Close() error                     { <-s.end; return nil }

// The hammer ends a drain even if a service's Close does not return.
func TestHammerHoldsAgainstClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{end: make(chan struct{})}
		served := make(chan struct{})
		close(served)
		d := newDrain(-1, nil, served, slog.New(slog.DiscardHandler))
		d.parts = []*part{{socket: &socket{name: "stubborn", datagrams: s}, lastOwner: true}}
		d.force()
		if err := d.run(); err == nil {
			t.Error("nothing is said of a service that did not return")
		}
		close(s.end)
	})
}

// Shutdown learns when the hammer comes, and ends then for that reason.
func TestDeadlineOfShutdown(t *testing.T) {
	for _, within := range []time.Duration{time.Minute, -1} {
		synctest.Test(t, func(t *testing.T) {
			s := &patient{began: time.Now()}
			served := make(chan struct{})
			close(served)
			d := newDrain(within, nil, served, slog.New(slog.DiscardHandler))
			d.parts = []*part{{socket: &socket{name: "patient", datagrams: s}, lastOwner: true}}
			time.AfterFunc(time.Hour, func() { d.force() })
			if err := d.run(); err != nil {
				t.Error(err)
			}
			if got := s.bound; got != within {
				t.Errorf("got a deadline after %v, want %v", got, within)
			}
			if s.why != errHammer {
				t.Errorf("got cause %v, want the hammer", s.why)
			}
		})
	}
}

// A patient service shuts down when it must.
type patient struct {
	began time.Time
	bound time.Duration // until the deadline; negative: there is none
	why   error
}

func (s *patient) ServePacket(net.PacketConn) error { return nil }

func (s *patient) Shutdown(ctx context.Context) error {
	s.bound = -1
	if end, ok := ctx.Deadline(); ok {
		s.bound = end.Sub(s.began)
	}
	<-ctx.Done()
	s.why = context.Cause(ctx)
	return ctx.Err()
}

// A lasting is a service that notes what Shutdown's context says.
type lasting struct{ replaced bool }

func (s *lasting) ServePacket(net.PacketConn) error { return nil }

func (s *lasting) Shutdown(ctx context.Context) error {
	s.replaced = Replaced(ctx)
	return nil
}

// Only the service whose listener nobody serves any more is not replaced.
func TestReplaced(t *testing.T) {
	if Replaced(t.Context()) {
		t.Error("a context of no drain says that the service is replaced")
	}
	kept, dropped := new(lasting), new(lasting)
	served := make(chan struct{})
	close(served)
	d := newDrain(-1, nil, served, slog.New(slog.DiscardHandler))
	d.parts = []*part{
		{socket: &socket{name: "kept", datagrams: kept}},
		{socket: &socket{name: "dropped", datagrams: dropped}, lastOwner: true},
	}
	if err := d.run(); err != nil {
		t.Fatal(err)
	}
	if !kept.replaced || dropped.replaced {
		t.Errorf("got %t for the listener that goes on and %t for the one that ends, want true and false", kept.replaced, dropped.replaced)
	}
}
