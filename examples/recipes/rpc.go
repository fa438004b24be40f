package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/rpc"
	"net/rpc/jsonrpc"

	"example.com/restart/tcp"
)

// newJSONRPC makes a restart.Service of a server of net/rpc. The calls are JSON,
// one on each line, as net/rpc/jsonrpc's client sends them. Connections move
// between two calls. The calls of one connection are answered one after the other.
//
// It does not work for net/rpc's usual encoding, gob: what goes over a connection
// depends on what went over it before, and only the old process has seen that.
// Such a connection stays until its client closes it.
func newJSONRPC(s *rpc.Server) *tcp.Server {
	return tcp.NewSessions(func(_ context.Context, c *tcp.Conn) {
		for {
			err := c.Wait()
			if errors.Is(err, tcp.ErrDraining) {
				if c.Move(nil) == nil {
					return // the successor answers the next call
				}
				continue // until the client goes or the drain is over
			}
			if err != nil {
				return
			}
			call, err := c.Reader().ReadBytes('\n')
			if err != nil {
				return
			}
			if err := s.ServeRequest(jsonrpc.NewServerCodec(oneCall{bytes.NewReader(call), c})); err != nil {
				return
			}
		}
	})
}

// A oneCall is what a codec reads one call from and writes its answer to.
type oneCall struct {
	io.Reader
	io.WriteCloser
}
