package main

import (
	"context"
	"errors"

	"github.com/tidwall/redcon"

	"example.com/restart/tcp"
)

// newRedis makes a restart.Service for Redis's protocol, with redcon's parser.
// Connections move between two commands. redcon.Server itself cannot be such a
// service: its only way to stop is to close all connections at once.
//
// Transactions and subscriptions are state of a connection. A service that has them
// gives them to Move, and finds them in Conn.State.
func newRedis(answer func(out []byte, command [][]byte) []byte) *tcp.Server {
	return tcp.NewSessions(func(_ context.Context, c *tcp.Conn) {
		buf := make([]byte, 4096)
		var unfinished, out []byte // what has come of the next command; answers
		for {
			if len(unfinished) == 0 {
				err := c.Wait()
				if errors.Is(err, tcp.ErrDraining) {
					if c.Move(nil) == nil {
						return // the successor answers the next command
					}
					continue // until the client goes or the drain is over
				}
				if err != nil {
					return
				}
			}
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			unfinished = append(unfinished, buf[:n]...)
			if unfinished, out, err = answerAll(unfinished, out[:0], answer); err != nil {
				return
			}
			if _, err := c.Write(out); err != nil {
				return
			}
		}
	})
}

// answerAll appends the answers to all complete commands to out. It returns what is
// left of the commands.
func answerAll(in, out []byte, answer func([]byte, [][]byte) []byte) (left, answers []byte, err error) {
	for len(in) > 0 {
		complete, command, _, rest, err := redcon.ReadNextCommand(in, nil)
		if err != nil {
			return nil, nil, err
		}
		if !complete {
			break
		}
		in = rest
		if len(command) > 0 { // not an empty line
			out = answer(out, command)
		}
	}
	return in, out, nil
}
