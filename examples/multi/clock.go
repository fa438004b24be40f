package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"
)

// A clock is a [restart.Service] for a protocol of its own: whoever connects
// gets a line with the time each second, until the server drains.
type clock struct {
	ending chan struct{} // closed by Shutdown
}

func newClock() *clock { return &clock{ending: make(chan struct{})} }

// Serve implements [restart.Service]. Accept fails when Run closes the
// listener, at the end of the drain.
func (c *clock) Serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go c.tell(conn)
	}
}

// Shutdown implements [restart.Service]. It need not wait: Run does, until
// every connection that the listener accepted is closed.
func (c *clock) Shutdown(context.Context) error {
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
