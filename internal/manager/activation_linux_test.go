//go:build !restart_portable

package manager

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/restart/internal/wire"
)

type filer interface{ File() (*os.File, error) }

// What is told of a socket must be what Add and the successor compare it with.
func TestDescribe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	listen := func(network, address string) func() (any, error) {
		return func() (any, error) { return net.Listen(network, address) }
	}
	packet := func(network, address string) func() (any, error) {
		return func() (any, error) { return net.ListenPacket(network, address) }
	}
	for name, tt := range map[string]struct {
		open func() (any, error)
		kind wire.Kind
		want string // network and, where it is known, address
	}{
		"tcp":      {listen("tcp", ":0"), wire.KindListener, "tcp [::]:"},
		"tcp4":     {listen("tcp4", "127.0.0.1:0"), wire.KindListener, "tcp4 127.0.0.1:"},
		"tcp6":     {listen("tcp6", "[::]:0"), wire.KindListener, "tcp6 [::]:"},
		"unix":     {listen("unix", path), wire.KindListener, "unix " + path},
		"udp":      {packet("udp4", "127.0.0.1:0"), wire.KindPacket, "udp4 127.0.0.1:"},
		"unixgram": {packet("unixgram", path+"g"), wire.KindPacket, "unixgram " + path + "g"},
	} {
		t.Run(name, func(t *testing.T) {
			sock, err := tt.open()
			if err != nil {
				t.Fatal(err)
			}
			defer sock.(interface{ Close() error }).Close()
			f, err := sock.(filer).File()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := describe(f)
			if err != nil || got.Kind != tt.kind || !strings.HasPrefix(got.Network+" "+got.Local, tt.want) || got.Address != got.Local || got.Path != "" {
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	for name, f := range map[string]*os.File{"a pipe": os.Stdin, "a connection": connection(t)} {
		if got, err := describe(f); err == nil {
			t.Errorf("%s: got %+v, want an error", name, got)
		}
	}
}

func connection(t *testing.T) *os.File {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := c.(filer).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// The name in the store is all that is left of a socket's description.
func TestStoreName(t *testing.T) {
	f := wire.File{Name: "a|b: c\n", Network: "tcp", Address: "[::1]:80"}
	name := storeName(f)
	if strings.ContainsAny(name, ":\n") {
		t.Errorf("got %q, which systemd does not allow", name)
	}
	if got, ok := parseStoreName(name); !ok || got != f {
		t.Errorf("got %+v, %v, want %+v", got, ok, f)
	}
	f = wire.File{Name: "admin", Network: "unix", Address: "/run/a b", Path: "/run/a b", Dev: 1 << 40, Ino: 1<<64 - 1, Made: 1 << 60}
	if got, ok := parseStoreName(storeName(f)); !ok || got != f {
		t.Errorf("got %+v, %v, want %+v", got, ok, f)
	}
	// Without room for the identity of the file, the socket is kept all the same.
	f.Name = strings.Repeat("a", maxStoreName-len(storePrefix+"|unix|%2Frun%2Fa+b"))
	want := wire.File{Name: f.Name, Network: f.Network, Address: f.Address}
	if got, ok := parseStoreName(storeName(f)); !ok || got != want {
		t.Errorf("got %+v, %v, want %+v", got, ok, want)
	}
	if got := storeName(wire.File{Name: strings.Repeat("a", maxStoreName)}); got != "" {
		t.Errorf("got %q, which is too long", got)
	}
	for _, name := range []string{"web", "web.socket", "restart|web", "restart|%zz|tcp|a", "restart|a|unix|b|c", "restart|a|unix|b|1.2.3|", "stored"} {
		if _, ok := parseStoreName(name); ok {
			t.Errorf("%q: took it for a stored one", name)
		}
	}
}
