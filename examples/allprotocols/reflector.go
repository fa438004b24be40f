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
	conn    net.PacketConn // nil before ServePacket
	stopped bool
	ended   chan struct{} // closed when ServePacket has returned
}

func newReflector() *reflector { return &reflector{ended: make(chan struct{})} }

// ServePacket implements [restart.PacketService].
func (r *reflector) ServePacket(c net.PacketConn) error {
	if !r.begin(c) {
		return net.ErrClosed
	}
	defer close(r.ended)
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

// begin keeps c for Shutdown, and reports whether Shutdown has not been called.
func (r *reflector) begin(c net.PacketConn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped {
		return false
	}
	r.conn = c
	return true
}

// Shutdown implements [restart.PacketService]. It ends the next read by a
// deadline, which is this process's only: the successor reads on. Then it waits
// until the datagram in hand is answered, because Run closes the socket next.
func (r *reflector) Shutdown(ctx context.Context) error {
	r.mu.Lock()
	r.stopped = true
	c := r.conn
	r.mu.Unlock()
	if c == nil {
		return nil
	}
	if err := c.SetReadDeadline(time.Unix(1, 0)); err != nil {
		return err
	}
	select {
	case <-r.ended:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
