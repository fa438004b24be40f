package restarthttp

import "encoding/binary"

// A frames follows one direction of a WebSocket as far as is needed to know where
// its messages end (RFC 6455, 5.2). It keeps no payload, and copies only headers
// that come in pieces.
type frames struct {
	left   uint64   // bytes of the frame's payload that are yet to come
	head   [14]byte // the beginning of a header that is not whole yet
	n      int      // how long that is
	within bool     // a message has begun and its last frame has not
	closes bool     // there was a close frame
	broken bool     // these are not frames, or a part of one was lost
}

// whole reports whether what was followed so far is a number of whole messages,
// after which more may come.
func (f *frames) whole() bool {
	return f.between() && !f.within && !f.closes && !f.broken
}

// between reports whether the next byte begins a frame.
func (f *frames) between() bool { return f.left == 0 && f.n == 0 }

// follow follows b.
func (f *frames) follow(b []byte) {
	for len(b) > 0 {
		switch {
		case f.left > 0:
			n := min(f.left, uint64(len(b)))
			f.left -= n
			b = b[n:]
			continue
		case f.n == 0 && len(b) >= 2 && len(b) >= headerSize(b[1]):
			n := headerSize(b[1])
			f.begin(b[:n])
			b = b[n:]
			continue
		}
		f.head[f.n] = b[0]
		f.n++
		b = b[1:]
		if f.n >= 2 && f.n == headerSize(f.head[1]) {
			f.begin(f.head[:f.n])
			f.n = 0
		}
	}
}

// headerSize returns how long a header is whose second byte is b.
func headerSize(b byte) int {
	size := 2
	switch b & 0x7f {
	case 126:
		size += 2
	case 127:
		size += 8
	}
	if b&0x80 != 0 {
		size += 4 // the mask
	}
	return size
}

// opClose is the opcode of a close frame. Those from it on are of control frames.
const opClose = 8

func opcode(header []byte) byte { return header[0] & 0x0f }

// begin follows a header.
func (f *frames) begin(header []byte) {
	switch n := header[1] & 0x7f; n {
	case 126:
		f.left = uint64(binary.BigEndian.Uint16(header[2:]))
	case 127:
		f.left = binary.BigEndian.Uint64(header[2:])
	default:
		f.left = uint64(n)
	}
	final, op := header[0]&0x80 != 0, opcode(header)
	switch {
	case op >= opClose: // control frames may come within a message
		f.closes = f.closes || op == opClose
		f.broken = f.broken || !final || f.left > 125
	case f.within != (op == 0):
		f.broken = true
	default:
		f.within = !final
	}
}
