//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

// Package channel is the socket over which two generations talk. This
// platform has none.
package channel

import (
	"errors"
	"os"
	"time"

	"example.com/restart/internal/wire"
)

// MaxFiles bounds the descriptors that travel with one frame.
const MaxFiles = 0

// A Conn cannot be made on this platform.
type Conn struct{}

// Pair returns errors.ErrUnsupported.
func Pair() (*Conn, *os.File, error) { return nil, nil, errors.ErrUnsupported }

// Open returns errors.ErrUnsupported. It takes f.
func Open(f *os.File) (*Conn, error) { f.Close(); return nil, errors.ErrUnsupported }

// Inherited returns errors.ErrUnsupported.
func Inherited(int) (*Conn, error) { return nil, errors.ErrUnsupported }

// Peer returns errors.ErrUnsupported.
func (*Conn) Peer() (pid, uid int, err error) { return 0, 0, errors.ErrUnsupported }

// Sender tells nothing.
func (*Conn) Sender() (pid int, told bool) { return 0, false }

// Send returns errors.ErrUnsupported.
func (*Conn) Send(wire.Type, any, ...*os.File) error { return errors.ErrUnsupported }

// SendRaw returns errors.ErrUnsupported.
func (*Conn) SendRaw(wire.Type, any, []int) error { return errors.ErrUnsupported }

// Recv returns errors.ErrUnsupported.
func (*Conn) Recv() (wire.Frame, []*os.File, error) {
	return wire.Frame{}, nil, errors.ErrUnsupported
}

// RecvRaw returns errors.ErrUnsupported.
func (*Conn) RecvRaw() (wire.Frame, []int, error) {
	return wire.Frame{}, nil, errors.ErrUnsupported
}

// SetDeadline does nothing.
func (*Conn) SetDeadline(time.Time) error { return nil }

// StopRecv does nothing.
func (*Conn) StopRecv() {}

// File returns errors.ErrUnsupported.
func (*Conn) File() (*os.File, error) { return nil, errors.ErrUnsupported }

// Cut does nothing.
func (*Conn) Cut() {}

// EndRecv does nothing.
func (*Conn) EndRecv() {}

// Waiting reports false.
func (*Conn) Waiting() bool { return false }

// Close does nothing.
func (*Conn) Close() error { return nil }

// CloseRaw does nothing: nothing can have come.
func CloseRaw([]int) {}
