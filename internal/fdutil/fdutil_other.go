//go:build !darwin && !dragonfly && !freebsd && !linux && !netbsd && !openbsd

// Package fdutil handles file descriptors without ever changing the open file
// behind them. Here they cannot be passed on.
package fdutil

import (
	"errors"
	"net"
	"os"
	"syscall"
)

// Dup returns errors.ErrUnsupported.
func Dup(syscall.Conn) (*os.File, error) { return nil, errors.ErrUnsupported }

// DupRaw returns errors.ErrUnsupported.
func DupRaw(syscall.Conn) (int, error) { return -1, errors.ErrUnsupported }

// Listener returns errors.ErrUnsupported. It takes f.
func Listener(f *os.File) (net.Listener, error) { f.Close(); return nil, errors.ErrUnsupported }

// PacketConn returns errors.ErrUnsupported. It takes f.
func PacketConn(f *os.File) (net.PacketConn, error) { f.Close(); return nil, errors.ErrUnsupported }

// StreamConns returns no connections: nothing can have sent descriptors.
func StreamConns([]int) ([]net.Conn, []error) { return nil, nil }

// AtEOF returns true.
func AtEOF(*os.File) bool { return true }

// Readable returns false.
func Readable(syscall.Conn) bool { return false }

// Memory returns errors.ErrUnsupported.
func Memory([]byte) (*os.File, error) { return nil, errors.ErrUnsupported }

// ReadMemory returns errors.ErrUnsupported.
func ReadMemory(*os.File, int64) ([]byte, error) { return nil, errors.ErrUnsupported }

// CheckPipe returns errors.ErrUnsupported.
func CheckPipe(*os.File) error { return errors.ErrUnsupported }

// FileID returns 0, 0: the file cannot be told from another at its path.
func FileID(os.FileInfo) (dev, ino uint64) { return 0, 0 }

// Scarce returns false.
func Scarce(syscall.Conn, int) bool { return false }
