package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"example.com/restart"
)

// A clock is a [restart.Service] with a protocol of its own: whoever connects
// gets a line with the time each second, until the server drains.
type clock struct {
	once   restart.ServeOnce
	ending chan struct{} // closed by Shutdown
}

func newClock() *clock { return &clock{ending: make(chan struct{})} }

// Serve implements [restart.Service].
func (c *clock) Serve(ln net.Listener) error {
	if err := c.once.Begin(ln); err != nil {
		return err
	}
	defer c.once.End()
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go c.tell(conn)
	}
}

// Shutdown implements [restart.Service]. It need not wait for connections: Run
// waits until all that the listener accepted are closed.
func (c *clock) Shutdown(ctx context.Context) error {
	c.once.Stop(ctx)
	close(c.ending)
	return nil
}

func (c *clock) tell(conn net.Conn) {
	defer conn.Close()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for now := time.Now(); ; {
		conn.SetWriteDeadline(time.Now().Add(10 * time.Second))
		_, err := fmt.Fprintf(conn, "%s from version=%s pid=%d\n", now.Format(time.TimeOnly), version, os.Getpid())
		if err != nil {
			return
		}
		select {
		case now = <-tick.C:
		case <-c.ending:
			fmt.Fprintln(conn, "bye")
			return
		}
	}
}
