package http

import (
	"net"
	"sync"
)

// A feed is a listener whose connections are handed in.
type feed struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newFeed(addr net.Addr) *feed {
	return &feed{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// feed hands c in, and reports whether it was taken.
func (f *feed) feed(c net.Conn) bool {
	select {
	case <-f.done:
		return false
	default:
	}
	select {
	case f.conns <- c:
		return true
	case <-f.done:
		return false
	}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.done:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error   { f.once.Do(func() { close(f.done) }); return nil }
func (f *feed) Addr() net.Addr { return f.addr }
