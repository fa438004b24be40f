//go:build linux

package restart

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/restart/internal/wire"
)

// file is what a predecessor says of a socket that it was asked to open at
// address, and that the kernel bound to local.
func file(name, network, address, local string) wire.File {
	f := wire.File{Kind: wire.KindListener, Name: name, Network: network, Address: address, Local: local}
	if strings.HasPrefix(network, "udp") || network == "unixgram" {
		f.Kind = wire.KindPacket
	}
	if isUnix(network) && address[0] != '@' {
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
		var offers []*offer
		for _, f := range tt.offers {
			offers = append(offers, &offer{desc: f})
		}
		tab := newTable(net.ListenConfig{}, offers)
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

func TestUnixPathIsUnlinkedOnlyIfOurs(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.sock")
	s := &socket{name: "a", network: "unix", address: path, stream: newTestService()}
	if err := s.bind(t.Context(), net.ListenConfig{}); err != nil {
		t.Fatal(err)
	}
	defer s.close()
	ours := s.path
	// Somebody else takes the path. Our socket still has its inode, so that
	// the other one gets another number.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := ours.unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Errorf("got %v: the path of another socket was removed", err)
	}
	if err := newUnixPath(path).unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the path is still there")
	}
	if err := ours.unlink(); err != nil {
		t.Errorf("got %v for a path that is gone, want nil", err)
	}
	if err := newUnixPath("@abstract").unlink(); err != nil {
		t.Error(err)
	}
}

func TestStaleUnixPathIsReplacedOnlyIfNobodyAnswers(t *testing.T) {
	for _, network := range []string{"unix", "unixgram"} {
		t.Run(network, func(t *testing.T) {
			bind := func(path string) (*socket, error) {
				s := &socket{name: "a", network: network, address: path, stream: newTestService()}
				if network == "unixgram" {
					s.stream, s.datagrams = nil, packetService{}
				}
				err := s.bind(t.Context(), net.ListenConfig{})
				return s, err
			}
			path := filepath.Join(t.TempDir(), "x.sock")
			first, err := bind(path)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := bind(path); err == nil {
				t.Error("got a second socket at the path of one that is alive")
			}
			first.close() // leaves the path
			if _, err := os.Lstat(path); err != nil {
				t.Fatalf("closing removed the path: %v", err)
			}
			second, err := bind(path)
			if err != nil {
				t.Fatalf("the path of a dead socket: %v", err)
			}
			second.close()

			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := bind(file); err == nil {
				t.Error("got a socket in place of a file")
			}
			if b, err := os.ReadFile(file); string(b) != "mine" {
				t.Errorf("got %q, %v: the file was touched", b, err)
			}
		})
	}
}

func TestBindInUseNamesThePredecessorsListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	local := ln.Addr().String()
	_, port, _ := net.SplitHostPort(local)
	tab := newTable(net.ListenConfig{}, []*offer{{desc: file("old", "tcp", local, local)}})
	s := &socket{name: "a", network: "tcp4", address: "0.0.0.0:" + port, stream: newTestService()}
	err = tab.add(context.Background(), s)
	if err == nil || !strings.Contains(err.Error(), `"old"`) || !strings.Contains(err.Error(), "overlaps") {
		t.Errorf("got %v, want the predecessor's listener named", err)
	}
}
