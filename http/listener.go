package restarthttp

import (
	"net"
	"sync"
	"sync/atomic"
)

// An accepting listener makes conns of what it accepts.
type accepting struct {
	net.Listener
	run     *run
	accepts atomic.Bool // net/http has called Accept
}

func (l *accepting) Accept() (net.Conn, error) {
	l.accepts.Store(true)
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	w := l.run.newConn(l.run.mover.tap(c))
	l.run.conns.add(w)
	return w, nil
}

// A connListener returns from Accept the connections that it is given.
type connListener struct {
	addr  net.Addr
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newConnListener(addr net.Addr) *connListener {
	return &connListener{addr: addr, conns: make(chan net.Conn), done: make(chan struct{})}
}

// deliver waits until c is accepted, and reports false if the listener is closed
// first.
func (l *connListener) deliver(c net.Conn) bool {
	select {
	case <-l.done:
		return false
	default:
	}
	select {
	case l.conns <- c:
		return true
	case <-l.done:
		return false
	}
}

func (l *connListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *connListener) Close() error   { l.once.Do(func() { close(l.done) }); return nil }
func (l *connListener) Addr() net.Addr { return l.addr }
