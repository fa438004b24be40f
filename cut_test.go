//go:build linux

package restart

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"testing"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/wire"
)

// The hammer ends what is here. A connection that is on its way may be the
// successor's already, and a FIN would reach its client from there.
func TestHammerSparesWhatIsOnItsWay(t *testing.T) {
	c, theirs := couriers(t)
	client, server := tcpPair(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gate := newListener(ln.(*net.TCPListener))
	defer gate.Close()
	tracked, _ := gate.conns.track(server)
	h := &Handover{name: "web", courier: c}
	sent := make(chan error, 1)
	go func() { sent <- h.Send(tracked, nil) }()
	m, files := receiveConns(t, theirs)
	moved, err := net.FileConn(files[0])
	channel.CloseAll(files)
	if err != nil {
		t.Fatal(err)
	}
	defer moved.Close()

	d := &drain{sockets: []*socket{{name: "web", ln: gate, stream: newTestService()}}, log: slog.New(slog.DiscardHandler)}
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

	_, late := tcpPair(t)
	other := newListener(ln.(*net.TCPListener))
	tracked, _ = other.conns.track(late)
	other.conns.shut()
	if err := h.Send(tracked, nil); !errors.Is(err, errSealed) {
		t.Errorf("a connection that is about to be cut: got %v, want a refusal", err)
	}
}
