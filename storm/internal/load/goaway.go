package load

import (
	"net"
	"sync/atomic"
)

const (
	frameHeader = 9
	typeGoAway  = 7
)

// goAwayConn reads along on an HTTP/2 connection to see whether the server announced its end: the library that uses the
// connection resends what GOAWAY allows, and does not tell.
type goAwayConn struct {
	net.Conn
	frames frames
	seen   atomic.Bool
	bytes  atomic.Int64
}

func (c *goAwayConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.bytes.Add(int64(n))
	if c.frames.goAway(b[:n]) {
		c.seen.Store(true)
	}
	return n, err
}

// frames follows the frames of a stream that comes in pieces of any size.
type frames struct {
	head [frameHeader]byte
	n    int // of head
	skip int // of payload
}

// goAway takes the next bytes and reports whether a GOAWAY frame began in them.
func (f *frames) goAway(b []byte) (seen bool) {
	for len(b) > 0 {
		if f.skip > 0 {
			k := min(f.skip, len(b))
			f.skip -= k
			b = b[k:]
			continue
		}
		k := copy(f.head[f.n:], b)
		f.n += k
		b = b[k:]
		if f.n == frameHeader {
			f.n = 0
			f.skip = int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
			seen = seen || f.head[3] == typeGoAway
		}
	}
	return seen
}
