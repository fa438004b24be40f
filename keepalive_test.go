//go:build linux

package restart

import (
	"io"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/gate"
)

// keepAliveOptions returns SO_KEEPALIVE, TCP_KEEPIDLE, TCP_KEEPINTVL and
// TCP_KEEPCNT.
func keepAliveOptions(t *testing.T, c net.Conn) (got [4]int) {
	t.Helper()
	err := fdutil.Control(c.(*net.TCPConn), func(fd int) error {
		for i, o := range [4][2]int{
			{unix.SOL_SOCKET, unix.SO_KEEPALIVE},
			{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
			{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
			{unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		} {
			v, err := unix.GetsockoptInt(fd, o[0], o[1])
			if err != nil {
				return err
			}
			got[i] = v
		}
		if got[0] == 0 {
			got = [4]int{} // the others do not matter
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// An inherited listener accepts connections that are set up like those of the
// listener that was bound. Those that move keep their options, see
// fdutil.StreamConns.
func TestKeepAliveIsInherited(t *testing.T) {
	for name, config := range map[string]net.ListenConfig{
		"default": {},
		"off":     {KeepAlive: -1},
		"period":  {KeepAlive: 42 * time.Second},
		"config":  {KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 40 * time.Second, Interval: 7 * time.Second, Count: 3}},
	} {
		t.Run(name, func(t *testing.T) {
			bound, err := config.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer bound.Close()
			accept := func(ln net.Listener) net.Conn {
				t.Helper()
				client, err := net.Dial("tcp", bound.Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { client.Close() })
				c, err := ln.Accept()
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { c.Close() })
				return c
			}
			c := accept(bound)
			want := keepAliveOptions(t, c)

			o := &offer{file: dup(t, bound.(*net.TCPListener)), desc: (&oldProcess{ln: bound.(*net.TCPListener)}).desc()}
			s := &socket{name: "web", network: "tcp", address: bound.Addr().String(), stream: newTestService()}
			if err := s.adopt(o, keepAliveOf(config)); err != nil {
				t.Fatal(err)
			}
			defer s.close()
			s.ln.Open()
			accepted := accept(s.ln)
			if got := keepAliveOptions(t, accepted.(interface{ NetConn() net.Conn }).NetConn()); got != want {
				t.Errorf("accepted: got %v, want %v", got, want)
			}
			if _, ok := accepted.(io.ReaderFrom); !ok {
				t.Errorf("%T has no ReadFrom, so no sendfile", accepted)
			}
		})
	}
}

var _ gate.Socket = (*keepAliveListener)(nil)
