package clients

import (
	"net"
	"sync/atomic"
)

const (
	frameHeader = 9
	typeGoAway  = 7
)

// goAwayConn follows the frames of an HTTP/2 connection to see whether the server announced its end. The HTTP/2 library
// resends the requests that GOAWAY allows, and does not report it.
type goAwayConn struct {
	net.Conn
	frames frames
	seen   atomic.Bool
}

func (c *goAwayConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if c.frames.goAway(b[:n]) {
		c.seen.Store(true)
	}
	return n, err
}

// frames parses the headers of frames from a stream that arrives in pieces of any size.
type frames struct {
	head [frameHeader]byte
	n    int // bytes of head that have arrived
	skip int // bytes of payload that are still to come
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
