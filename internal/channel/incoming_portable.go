//go:build darwin || dragonfly || freebsd || netbsd || openbsd || (linux && restart_portable)

package channel

import (
	"errors"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"example.com/restart/internal/wire"
)

// incoming puts frames together from what a stream yields. No read goes beyond the
// end of a frame, so the descriptors that come until then belong to it. A frame
// may be begun by one call of receive and completed by another.
type incoming struct {
	mu   sync.Mutex // held by receive, also while it waits
	buf  []byte     // of wire.MaxFrame
	oob  []byte
	got  int   // bytes of the frame that was begun
	fds  []int // and its descriptors
	lost bool  // nobody knows where the next frame begins
}

func newIncoming() *incoming {
	return &incoming{
		buf: make([]byte, wire.MaxFrame),
		oob: make([]byte, unix.CmsgSpace(4*(wire.MaxFiles+3))),
	}
}

// A readFunc reads into p, and with oob the descriptors that come along. begun
// says that p is in the middle of a frame.
type readFunc func(p, oob []byte, begun bool) (n int, fds []int, err error)

// receive returns the next frame, which is valid until the next call, and its
// descriptors. It does not begin one if stopped.
func (in *incoming) receive(read readFunc, stopped func() bool) (wire.Frame, []int, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.got == 0 && stopped() {
		return wire.Frame{}, nil, os.ErrDeadlineExceeded
	}
	for in.lost {
		if err := in.read(read, len(in.buf)); err != nil {
			return wire.Frame{}, nil, err
		}
		in.drop()
	}
	size, err := in.fill(read)
	if err != nil {
		return wire.Frame{}, nil, err
	}
	fds := in.fds
	in.got, in.fds = 0, nil
	f, err := wire.Parse(in.buf[:size])
	if err != nil {
		CloseRaw(fds)
		return wire.Frame{}, nil, err
	}
	return f, fds, nil
}

// fill reads a frame to its end and returns its size.
func (in *incoming) fill(read readFunc) (int, error) {
	for in.got < wire.HeaderSize {
		if err := in.read(read, wire.HeaderSize); err != nil {
			return 0, err
		}
	}
	size, err := wire.Size(in.buf[:wire.HeaderSize])
	if err != nil {
		in.lost = true
		in.drop()
		return 0, err
	}
	for in.got < size {
		if err := in.read(read, size); err != nil {
			return 0, err
		}
	}
	return size, nil
}

// read reads once, up to the byte end of the frame. The death of the peer in the
// middle of one is its end all the same: io.EOF.
func (in *incoming) read(read readFunc, end int) error {
	var n int
	var fds []int
	var err error
	for range 3 {
		n, fds, err = read(in.buf[in.got:end], in.oob, in.got > 0)
		// Linux reports a peer that died with words of ours unread once by
		// ECONNRESET, BSD descriptors for which there is no free number once by
		// EMSGSIZE. The bytes are still to be had.
		if !errors.Is(err, unix.ECONNRESET) && !errors.Is(err, unix.EMSGSIZE) {
			break
		}
	}
	in.got += n
	in.fds = append(in.fds, fds...)
	if err == nil && n == 0 || errors.Is(err, unix.ECONNRESET) {
		in.drop()
		return io.EOF
	}
	return err
}

// drop gives up what was received of a frame.
func (in *incoming) drop() {
	CloseRaw(in.fds)
	in.got, in.fds = 0, nil
}

// between reports whether the next byte begins a frame, and nobody waits for it.
func (in *incoming) between() bool {
	if !in.mu.TryLock() {
		return false
	}
	defer in.mu.Unlock()
	return in.got == 0 && !in.lost
}

// close gives up what was received of a frame, after the stream was closed.
func (in *incoming) close() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.drop()
}
