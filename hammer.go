package restart

import (
	"context"
	"io"
	"net"
	"slices"
	"sync"
	"time"
)

// cut closes the connections that are left. A FIN goes first, so that answers that
// were written completely still arrive.
func (d *drain) cut() {
	var conns, leaving []net.Conn
	for _, p := range d.parts {
		if p.ln != nil {
			here, away := p.ln.Conns().Seal()
			conns, leaving = append(conns, here...), append(leaving, away...)
		}
	}
	for _, c := range conns {
		halfClose(c)
	}
	d.waitGone(cutGrace)
	d.closeServices()
	for _, c := range slices.Concat(conns, leaving) {
		c.Close() // does no harm to a closed one
	}
	d.wasCut.Store(int64(len(conns)))
	d.log.Warn("restart: hammer: connections closed by force", "cut", len(conns))
}

// closeServices calls Close of those that have it, and waits a bounded time:
// Close is foreign code, and the hammer must hold against that too.
func (d *drain) closeServices() {
	var wg sync.WaitGroup
	for _, p := range d.parts {
		if c, ok := p.service().(io.Closer); ok {
			wg.Go(func() {
				// Many services return an error because Shutdown was called before.
				if err := c.Close(); err != nil {
					d.log.Debug("restart: Close of a service", "listener", p.name, "error", err)
				}
			})
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeGrace)
	defer cancel()
	if !arrives(ctx, whenReturned(wg.Wait)) {
		d.log.Warn("restart: Close of a service does not return", "services", d.names())
	}
}

// waitGone waits a bounded time for the connections to go.
func (d *drain) waitGone(within time.Duration) {
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	for _, p := range d.parts {
		if p.ln != nil && !arrives(ctx, p.ln.Conns().WhenEmpty()) {
			return
		}
	}
}

// halfClose ends our direction of c with a FIN, if its kind has one. What was
// written before still arrives; closing at once could turn it into a reset.
func halfClose(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}
