//go:build !linux

// Package channel is the socket over which two generations talk. Only Linux
// has one so far.
package channel

import (
	"errors"
	"os"
	"time"

	"example.com/restart/internal/wire"
)

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

// Sender returns 0.
func (*Conn) Sender() int { return 0 }

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

// Close does nothing.
func (*Conn) Close() error { return nil }

// CloseRaw does nothing: nothing can have come.
func CloseRaw([]int) {}
