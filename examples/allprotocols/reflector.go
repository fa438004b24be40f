package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// A reflector is a [restart.PacketService] that sends each datagram back.
type reflector struct {
	mu      sync.Mutex
	conn    net.PacketConn
	stopped bool
}

func newReflector() *reflector { return &reflector{} }

// ServePacket implements [restart.PacketService].
func (r *reflector) ServePacket(c net.PacketConn) error {
	r.mu.Lock()
	r.conn = c
	stopped := r.stopped
	r.mu.Unlock()
	if stopped {
		return net.ErrClosed
	}
	for b := make([]byte, 1500); ; {
		n, from, err := c.ReadFrom(b)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return net.ErrClosed
		}
		if err != nil {
			return err
		}
		if _, err := c.WriteTo(fmt.Appendf(nil, "%s from %s", b[:n], me()), from); err != nil {
			return err
		}
	}
}

// Shutdown implements [restart.PacketService]. The deadline makes ServePacket
// return between two datagrams. It is this process's only: the successor reads
// on.
func (r *reflector) Shutdown(context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = true
	if r.conn == nil {
		return nil
	}
	return r.conn.SetReadDeadline(time.Unix(1, 0))
}
