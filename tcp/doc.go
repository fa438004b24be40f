// Package tcp makes a [restart.Service] of one function, for protocols that
// have no server of their own. It serves TCP and Unix sockets alike.
//
// [New] is for handlers whose connections end where they began:
//
//	r.Add("echo", "tcp", ":7", tcp.New(func(ctx context.Context, c net.Conn) {
//		io.Copy(c, c)
//	}))
//
// [NewSessions] is for handlers whose connections may last for days. When the
// process is replaced, such a connection moves to the successor, still open,
// with the bytes that the handler gives it to remember. The client notices
// nothing:
//
//	r.Add("sum", "tcp", ":4000", tcp.NewSessions(func(ctx context.Context, c *tcp.Conn) {
//		sum := decode(c.State()) // nil for a client that has just connected
//		for {
//			switch err := c.Wait(); {
//			case err == tcp.ErrDraining:
//				if err := c.Move(encode(sum)); err != nil {
//					fmt.Fprintln(c, "bye") // nobody takes it: the process stops
//				}
//				return
//			case err != nil:
//				return
//			}
//			line, err := c.Reader().ReadString('\n')
//			...
//		}
//	}))
//
// # What a drain does
//
// The context of all handlers ends, with the cause [ErrDraining]. No read is
// interrupted but that of [Conn.Wait], because only there, between two
// messages, is it known that nothing can be lost. A handler of New that should
// not wait for its client's next word can interrupt itself:
//
//	context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) })
//
// Then the handlers are waited for. Those that still run when the time of the
// drain is up find their connection closed.
package tcp
