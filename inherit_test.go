//go:build linux

package restart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/handshake"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/wire"
)

// file is what a predecessor says of a socket that it was asked to open at
// address, and that the kernel bound to local.
func file(name, network, address, local string) wire.File {
	f := wire.File{Kind: wire.KindListener, Name: name, Network: network, Address: address, Local: local}
	if strings.HasPrefix(network, "udp") || network == "unixgram" {
		f.Kind = wire.KindPacket
	}
	if strings.HasPrefix(network, "unix") && address[0] != '@' {
		f.Path = local
	}
	return f
}

func TestClaim(t *testing.T) {
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		offers                 []wire.File
		name, network, address string
		want                   string // name of the offer, "" for none
	}{
		"same": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80"), file("b", "tcp", ":81", "[::]:81")},
			"b", "tcp", ":81", "b",
		},
		"two spellings of any": {
			[]wire.File{file("a", "tcp", "0.0.0.0:80", "[::]:80")}, "a", "tcp", "[::]:80", "a",
		},
		"two spellings of one": {
			[]wire.File{file("a", "tcp", "localhost:80", "127.0.0.1:80")}, "a", "tcp", "127.0.0.1:80", "a",
		},
		"port by name": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80")}, "a", "tcp", ":http", "a",
		},
		"mapped": {
			[]wire.File{file("a", "tcp", "127.0.0.1:80", "127.0.0.1:80")}, "a", "tcp", "[::ffff:127.0.0.1]:80", "a",
		},
		"another port": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80")}, "a", "tcp", ":81", "",
		},
		"another host": {
			[]wire.File{file("a", "tcp", "127.0.0.1:80", "127.0.0.1:80")}, "a", "tcp", "127.0.0.2:80", "",
		},
		"wider": {
			[]wire.File{file("a", "tcp", "127.0.0.1:80", "127.0.0.1:80")}, "a", "tcp", ":80", "",
		},
		"narrower": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80")}, "a", "tcp", "127.0.0.1:80", "",
		},
		"port 0 keeps its port": {
			[]wire.File{file("a", "tcp", "127.0.0.1:0", "127.0.0.1:4711")}, "a", "tcp", "127.0.0.1:0", "a",
		},
		"port 0, two spellings": {
			[]wire.File{file("a", "tcp", "127.0.0.1:0", "127.0.0.1:4711")}, "a", "tcp", "localhost:0", "a",
		},
		"port 0 is never claimed by address": {
			[]wire.File{file("a", "tcp", "127.0.0.1:0", "127.0.0.1:4711")}, "b", "tcp", "127.0.0.1:0", "",
		},
		"port 0 after a fixed one": {
			[]wire.File{file("a", "tcp", "127.0.0.1:80", "127.0.0.1:80")}, "a", "tcp", "127.0.0.1:0", "",
		},
		"a fixed port that 0 had got": {
			[]wire.File{file("a", "tcp", "127.0.0.1:0", "127.0.0.1:4711")}, "a", "tcp", "127.0.0.1:4711", "a",
		},
		"renamed": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80")}, "z", "tcp", ":80", "a",
		},
		"swapped names, first": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80"), file("b", "tcp", ":81", "[::]:81")},
			"a", "tcp", ":81", "b",
		},
		"name before address": {
			[]wire.File{file("z", "tcp", "127.0.0.1:80", "127.0.0.1:80"), file("a", "tcp", "localhost:80", "127.0.0.1:80")},
			"a", "tcp", "127.0.0.1:80", "a",
		},
		"network tcp to tcp4, one host": {
			[]wire.File{file("a", "tcp", "127.0.0.1:80", "127.0.0.1:80")}, "a", "tcp4", "127.0.0.1:80", "a",
		},
		"network tcp to tcp4, any host": { // the socket takes IPv6 as well
			[]wire.File{file("a", "tcp", ":80", "[::]:80")}, "a", "tcp4", ":80", "",
		},
		"tcp to udp": {
			[]wire.File{file("a", "udp", ":80", "[::]:80")}, "a", "tcp", ":80", "",
		},
		"unix, relative": {
			[]wire.File{file("a", "unix", "x.sock", filepath.Join(dir, "x.sock"))}, "a", "unix", dir + "/./x.sock", "a",
		},
		"unix, renamed": {
			[]wire.File{file("a", "unix", "/run/x", "/run/x")}, "b", "unix", "/run/x", "a",
		},
		"unix, moved": {
			[]wire.File{file("a", "unix", "/run/x", "/run/x")}, "a", "unix", "/run/y", "",
		},
		"unix, abstract": {
			[]wire.File{file("a", "unix", "@x", "@x")}, "a", "unix", "@x", "a",
		},
		"unix, abstract is no path": {
			[]wire.File{file("a", "unix", "@x", "@x")}, "a", "unix", dir + "/@x", "",
		},
		"unixgram": {
			[]wire.File{file("a", "unix", "/run/x", "/run/x")}, "a", "unixgram", "/run/x", "",
		},
		"bad address": {
			[]wire.File{file("a", "tcp", ":80", "[::]:80")}, "a", "tcp", "nonsense", "",
		},
		"bad address after port 0": {
			[]wire.File{file("a", "tcp", ":0", "[::]:4711")}, "a", "tcp", "nonsense", "",
		},
	} {
		var offers []handshake.Socket
		for _, f := range tt.offers {
			offers = append(offers, handshake.Socket{Desc: f})
		}
		tab := newTable(net.ListenConfig{}, sockaddr.Listen, offers)
		s := &socket{name: tt.name, network: tt.network, address: tt.address, stream: newTestService()}
		if strings.HasPrefix(tt.network, "udp") || tt.network == "unixgram" {
			s.stream, s.datagrams = nil, packetService{}
		}
		got := ""
		if o := tab.claim(s); o != nil {
			got = o.desc.Name
			if again := tab.claim(s); again != nil && again.desc.Name == got {
				t.Errorf("%s: claimed twice", name)
			}
		}
		if got != tt.want {
			t.Errorf("%s: got %q, want %q", name, got, tt.want)
		}
	}
}

type packetService struct{ PacketService }

func TestBindInUseNamesThePredecessorsListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	local := ln.Addr().String()
	_, port, _ := net.SplitHostPort(local)
	tab := newTable(net.ListenConfig{}, sockaddr.Listen, []handshake.Socket{{Desc: file("old", "tcp", local, local)}})
	s := &socket{name: "a", network: "tcp4", address: "0.0.0.0:" + port, stream: newTestService()}
	err = tab.add(context.Background(), s)
	if err == nil || !strings.Contains(err.Error(), `"old"`) || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("got %v, want the predecessor's listener named", err)
	}
}

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
		tab := newTable(net.ListenConfig{}, sockaddr.Listen, []handshake.Socket{{File: dup(t, tt.conn), Desc: desc}})
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

// Add may be called at any time, also while Run gives up what nobody claimed.
func TestAddWhileRunEnds(t *testing.T) {
	for range 30 {
		o := newOldProcess(t)
		o.hello()
		late := newOldProcess(t) // for its socket only
		o.sendFiles()
		var descs []wire.File
		var files []*os.File
		for i := range 40 {
			desc := late.desc()
			desc.Name = fmt.Sprint("late", i)
			descs, files = append(descs, desc), append(files, dup(t, late.ln))
		}
		o.send(wire.TypeFiles, wire.Files{Files: descs}, files...)
		channel.CloseAll(files)
		o.send(wire.TypeStart, wire.Start{})
		x, err := o.newSuccessor(t, Options{SettleTime: patience})
		if err != nil {
			t.Fatal(err)
		}
		begin, added := make(chan struct{}), make(chan error)
		go func() {
			<-begin
			var err error
			for i := 0; i < 40 && err == nil; i++ {
				_, err = x.r.Add(fmt.Sprint("late", i), "tcp", late.address(), newTestService())
			}
			added <- err
		}()
		close(begin)
		x.r.Shutdown()
		x.run()
		x.returned()
		if err := <-added; err != nil && !errors.Is(err, ErrStopped) {
			t.Errorf("got %v, want ErrStopped if anything", err)
		}
		late.die()
		o.die()
	}
}

// Who may not bind a port learns which and what to do.
func TestPrivilegedPortIsExplained(t *testing.T) {
	table := newTable(net.ListenConfig{}, sockaddr.Listen, nil)
	for address, want := range map[string]bool{"127.0.0.1:1": everybodysPorts(t) > 1, "127.0.0.1:65535": false} {
		err := table.explain(&socket{name: "web", network: "tcp", address: address}, &os.SyscallError{Syscall: "bind", Err: syscall.EACCES})
		if !errors.Is(err, syscall.EACCES) || strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE") != want {
			t.Errorf("%s: got %v, explained: want %v", address, err, want)
		}
	}
}

// everybodysPorts returns the first port that everybody may bind: 0 in some
// containers.
func everybodysPorts(t *testing.T) (first int) {
	t.Helper()
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	if err == nil {
		_, err = fmt.Sscan(string(b), &first)
	}
	if err != nil {
		t.Fatal(err)
	}
	return first
}
