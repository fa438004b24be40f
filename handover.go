package restart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"

	"example.com/restart/internal/gate"
	"example.com/restart/internal/transfer"
)

// A Handover moves live connections of one service to the service of the same
// listener in the successor. Its methods may be called by several goroutines.
type Handover struct {
	name   string
	kinds  []string // that the service in the successor adopts
	sender *transfer.Sender
}

type handoverKey struct{}

// HandoverFrom returns the Handover that the context of a [Service]'s Shutdown
// carries. There is none when the process stops for good, when the successor has
// dropped the listener, or when the service there is no [Adopter]. A Handover can
// be used after Shutdown has returned, as long as one of the service's connections
// is open or another service still drains.
func HandoverFrom(ctx context.Context) (*Handover, bool) {
	h, ok := ctx.Value(handoverKey{}).(*Handover)
	return h, ok
}

type replacedKey struct{}

// Replaced reports whether another process serves the listener from now on: the
// successor, unless it has dropped the listener. ctx is the context of a
// [Service]'s Shutdown. A service that reports elsewhere whether it is
// available, as a health check does, must withdraw only if Replaced is false.
func Replaced(ctx context.Context) bool { return ctx.Value(replacedKey{}) != nil }

// errEnding says that the drain has ended and connections are about to be
// closed.
var errEnding = errors.New("this process is about to end")

// Adopts reports whether the service in the successor says that it adopts
// connections of that kind, see [KindAdopter]. It is false for all kinds if the
// successor was built with a version of this package that knows no kinds. A later
// successor may adopt other kinds, so Send may fail all the same.
func (h *Handover) Adopts(kind string) bool { return slices.Contains(h.kinds, kind) }

// Send moves c and up to 32 KiB of state to the successor. c must be a
// connection that this service accepted or adopted, as the listener gave it, and
// not a wrapper such as TLS, whose keys stay behind. Nothing may read from c any
// more. Bytes that were read from it must have been acted upon or be part of the
// state.
//
// Send waits until the successor has taken the connection. Then it closes c
// here, which the peer does not notice, and returns nil. After [ErrUncertain] c
// is closed too. After any other error c is unchanged: still open, and the
// caller's.
func (h *Handover) Send(c net.Conn, state []byte) error {
	raw, ok := c.(syscall.Conn)
	if !ok {
		return fmt.Errorf("restart: hand over: a %T has no descriptor of its own", c)
	}
	if len(state) > transfer.MaxConnState {
		return fmt.Errorf("restart: hand over: %d bytes of state, at most %d", len(state), transfer.MaxConnState)
	}
	tracked := gate.ConnsOf(c)
	if tracked != nil && !tracked.Depart(c) {
		return fmt.Errorf("restart: hand over: %w", errEnding)
	}
	err := h.sender.Send(h.name, raw, state)
	if errors.Is(err, transfer.ErrUncertain) {
		c.Close() // what is served here as well might be answered twice
		return ErrUncertain
	}
	if err != nil {
		if tracked != nil {
			tracked.Return(c)
		}
		return fmt.Errorf("restart: hand over: %w", err)
	}
	c.Close()
	return nil
}
