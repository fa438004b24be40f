package restart

import (
	"context"
	"log/slog"
	"net"
	"testing"
)

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
	d := &drain{
		sockets: []*socket{{name: "kept", datagrams: kept}, {name: "dropped", datagrams: dropped}},
		left:    func(s *socket) bool { return s.name == "dropped" },
		to:      func(*socket) *Handover { return nil },
		within:  -1,
		hammer:  make(chan struct{}),
		served:  served,
		log:     slog.New(slog.DiscardHandler),
	}
	if err := d.run(); err != nil {
		t.Fatal(err)
	}
	if !kept.replaced || dropped.replaced {
		t.Errorf("got %t for the listener that goes on and %t for the one that ends, want true and false", kept.replaced, dropped.replaced)
	}
}
