//go:build linux

package restart

import (
	"errors"
	"log/slog"
	"net"
	"syscall"
	"testing"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/gate"
)

// Connections that move must not take the descriptors that the next restart
// needs.
func TestAdoptLeavesDescriptorsForARestart(t *testing.T) {
	r := &Restarter{table: newTable(net.ListenConfig{}, nil), log: slog.New(slog.DiscardHandler)}
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
