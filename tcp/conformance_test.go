package tcp_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"testing"

	"example.com/restart"
	"example.com/restart/servicetest"
	"example.com/restart/tcp"
)

func hello(c net.Conn) error {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && got != "hello\n" {
		err = fmt.Errorf("got %q", got)
	}
	return err
}

func TestConformsPlain(t *testing.T) {
	servicetest.Run(t, func() restart.Service {
		return tcp.New(func(_ context.Context, c net.Conn) { io.Copy(c, c) })
	}, hello)
}

func TestConformsSessions(t *testing.T) {
	servicetest.Run(t, func() restart.Service {
		return tcp.NewSessions(func(_ context.Context, c *tcp.Conn) {
			for {
				switch err := c.Wait(); err {
				case nil:
				case tcp.ErrDraining:
					if c.Move(nil) == nil {
						return
					}
					continue
				default:
					return
				}
				line, err := c.Reader().ReadString('\n')
				if err != nil {
					return
				}
				io.WriteString(c, line)
			}
		})
	}, hello)
}
