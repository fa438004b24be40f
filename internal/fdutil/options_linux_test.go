package fdutil

import (
	"fmt"
	"net"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// socketOptions returns what a program may have set on a connection.
func socketOptions(t *testing.T, c net.Conn) string {
	t.Helper()
	var all string
	err := Control(c.(*net.TCPConn), func(fd int) error {
		for _, o := range []struct {
			name         string
			level, which int
		}{
			{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE},
			{"TCP_KEEPIDLE", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
			{"TCP_KEEPINTVL", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
			{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
			{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY},
			{"TCP_USER_TIMEOUT", unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
			{"SO_RCVBUF", unix.SOL_SOCKET, unix.SO_RCVBUF},
			{"SO_SNDBUF", unix.SOL_SOCKET, unix.SO_SNDBUF},
		} {
			v, err := unix.GetsockoptInt(fd, o.level, o.which)
			if err != nil {
				return fmt.Errorf("%s: %w", o.name, err)
			}
			all += fmt.Sprintf("%s=%d ", o.name, v)
		}
		l, err := unix.GetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER)
		if err != nil {
			return err
		}
		all += fmt.Sprintf("SO_LINGER=%+v", *l)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// net.FileConn sets up a connection like a new one. The program may have set it up
// otherwise, in the process that accepted it.
func TestStreamConnsKeepTheirOptions(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for name, set := range map[string]func(*net.TCPConn) error{
		"as accepted":   func(*net.TCPConn) error { return nil },
		"no keep-alive": func(c *net.TCPConn) error { return c.SetKeepAlive(false) },
		"keep-alive": func(c *net.TCPConn) error {
			return c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 40 * time.Second, Interval: 7 * time.Second, Count: 3})
		},
		"delay":   func(c *net.TCPConn) error { return c.SetNoDelay(false) },
		"linger":  func(c *net.TCPConn) error { return c.SetLinger(3) },
		"buffers": func(c *net.TCPConn) error { c.SetReadBuffer(20_000); return c.SetWriteBuffer(30_000) },
		"user time-out": func(c *net.TCPConn) error {
			return Control(c, func(fd int) error { return unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 5000) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			client, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			c, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			if err := set(c.(*net.TCPConn)); err != nil {
				t.Fatal(err)
			}
			want := socketOptions(t, c)
			moved, err := oneConn(t, dup(t, c))
			if err != nil {
				t.Fatal(err)
			}
			defer moved.Close()
			if got := socketOptions(t, moved); got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}
