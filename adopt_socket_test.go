//go:build linux

package restart

import (
	"net"
	"os"
	"strings"
	"testing"
)

// A successor must not believe what it is told about a socket.
func TestAdoptChecksTheSocket(t *testing.T) {
	ln, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	local := ln.Addr().String()
	client, err := net.Dial("tcp", local)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()

	for name, tt := range map[string]struct {
		conn  sysConn
		local string
		want  string
	}{
		"good":            {ln, local, ""},
		"another address": {ln, "127.0.0.1:1", "bound to"},
		"connected":       {client.(*net.TCPConn), local, "does not listen"},
		"datagrams":       {udp, local, "type"},
		"a file":          {plain, local, "not a socket"},
	} {
		desc := file("a", "tcp", local, tt.local)
		tab := newTable(net.ListenConfig{}, []*offer{{file: dup(t, tt.conn), desc: desc}})
		s := &socket{name: "a", network: "tcp", address: local, stream: newTestService()}
		if tt.local != local {
			s.address = tt.local
		}
		err := tab.add(t.Context(), s)
		if tt.want == "" {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			s.close()
			continue
		}
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.want)
		}
	}
}
