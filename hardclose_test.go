package restart

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"testing/synctest"
)

// A stubborn service returns from nothing.
type stubborn struct{ end chan struct{} }

func (s *stubborn) ServePacket(net.PacketConn) error { return nil }
func (s *stubborn) Shutdown(context.Context) error   { <-s.end; return nil }
func (s *stubborn) Close() error                     { <-s.end; return nil }

// The hammer ends a drain even if a service's Close does not return.
func TestHammerHoldsAgainstClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stubborn{end: make(chan struct{})}
		served, hammer := make(chan struct{}), make(chan struct{})
		close(served)
		close(hammer)
		d := &drain{
			sockets: []*socket{{name: "stubborn", datagrams: s}},
			left:    func(*socket) bool { return true },
			to:      func(*socket) *Handover { return nil },
			within:  -1,
			hammer:  hammer,
			served:  served,
			log:     slog.New(slog.DiscardHandler),
		}
		if err := d.run(); err == nil {
			t.Error("nothing is said of a service that did not return")
		}
		close(s.end)
	})
}
