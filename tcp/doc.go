// Package tcp makes a [restart.Service] of one function, for protocols that
// have no server of their own. It serves TCP and Unix sockets alike.
//
// [New] is for connections that stay in the process in which they began:
//
//	r.Add("echo", "tcp", ":7", tcp.New(func(ctx context.Context, c net.Conn) {
//		io.Copy(c, c)
//	}))
//
// [NewSessions] is for connections that may last for days. When the process is
// replaced, such a connection moves to the successor, still open, together with
// the bytes that the handler gives it. The client notices nothing:
//
//	r.Add("sum", "tcp", ":4000", tcp.NewSessions(func(ctx context.Context, c *tcp.Conn) {
//		sum := decode(c.State()) // nil for a client that has just connected
//		for {
//			err := c.Wait() // between two messages: the connection can move
//			if err == tcp.ErrDraining {
//				if err := c.Move(encode(sum)); err != nil {
//					fmt.Fprintln(c, "bye") // no successor: the process stops
//				}
//				return
//			}
//			if err != nil {
//				return
//			}
//			line, err := c.Reader().ReadString('\n')
//			...
//		}
//	}))
//
// # Draining
//
// When the process drains, Shutdown waits until all handlers have returned. It
// tells them in two ways: the channel that [restart.Draining] returns for their
// context is closed, and [Conn.Wait] returns [ErrDraining]. Wait is the only
// read that a drain interrupts, because between two messages nothing can be
// lost. A handler of New that should not wait for the client's next message can
// interrupt its own read:
//
//	go func() {
//		select {
//		case <-restart.Draining(ctx):
//			c.SetReadDeadline(time.Now().Add(time.Second)) // for bytes on their way
//		case <-ctx.Done(): // the handler has returned
//		}
//	}()
//
// The context itself ends when the handler returns. It also ends when the drain
// has lasted for [restart.Options.HammerTime]: then the connections of the
// handlers that still run are closed.
package tcp
