package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"example.com/restart/tcp"
)

// echo sends each line back. When the process drains, the connection moves. If
// there is no successor, echo answers what is on its way and says goodbye.
func echo(_ context.Context, c *tcp.Conn) {
	ending := false
	for {
		switch err := c.Wait(); {
		case errors.Is(err, tcp.ErrDraining):
			if c.Move(nil) == nil {
				return
			}
			ending = true
			c.SetReadDeadline(time.Now().Add(time.Second)) // for what is on its way
			continue
		case err != nil && ending:
			fmt.Fprintln(c, "bye")
			return
		case err != nil:
			return
		}
		line, err := c.Reader().ReadString('\n')
		if err != nil {
			return
		}
		fmt.Fprintf(c, "%s from %s\n", line[:len(line)-1], me())
	}
}
