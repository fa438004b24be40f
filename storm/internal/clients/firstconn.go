package clients

import (
	"sync/atomic"

	"example.com/restart/storm/internal/rawhttp"
)

// firstConn watches the first connection of a client. The connection survives until it ends, for whatever reason.
type firstConn struct {
	socket atomic.Pointer[rawhttp.Socket]
	ended  atomic.Bool
	// closeConn closes the last connection of the client. It is set when the client has ended.
	closeConn func()
}

// opened is called with each connection that the client opens. Any but the first one means that the first has ended.
func (f *firstConn) opened(s *rawhttp.Socket) {
	if !f.socket.CompareAndSwap(nil, s) {
		f.ended.Store(true)
	}
}

func (f *firstConn) end() { f.ended.Store(true) }

func (f *firstConn) alive() bool {
	s := f.socket.Load()
	return s != nil && !f.ended.Load() && !s.Ended()
}
