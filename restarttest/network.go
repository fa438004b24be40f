package restarttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/restart/internal/gate"
	"example.com/restart/internal/sockaddr"
)

type listenFunc = func(context.Context, net.ListenConfig, string, string) (gate.Socket, sockaddr.Path, error)

// A network is where a program listens.
type network interface {
	listen() listenFunc // nil: as it does for real
	dial(network, address string) (net.Conn, error)
	refusal() error // of restarts
}

// sockets are real.
type sockets struct{}

func (sockets) listen() listenFunc { return nil }
func (sockets) refusal() error     { return nil }

func (sockets) dial(network, address string) (net.Conn, error) {
	return net.DialTimeout(network, address, patience)
}

// A memory is a network without sockets.
type memory struct {
	mu        sync.Mutex
	listeners map[string]*memListener // by address
	ports     int                     // given out for port 0
}

func newMemory() *memory { return &memory{listeners: make(map[string]*memListener)} }

var errInMemory = errors.New("restarttest: listeners in memory cannot be passed on: use New for a test that restarts")

func (*memory) refusal() error { return errInMemory }

func (m *memory) listen() listenFunc {
	return func(_ context.Context, _ net.ListenConfig, network, address string) (gate.Socket, sockaddr.Path, error) {
		l, err := m.open(network, address)
		if err != nil {
			return nil, sockaddr.Path{}, err
		}
		return l, sockaddr.Path{}, nil
	}
}

func (m *memory) open(network, address string) (*memListener, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if host, ok := strings.CutSuffix(address, ":0"); ok {
		m.ports++
		address = fmt.Sprintf("%s:%d", host, m.ports)
	}
	addr := memAddr{network, address}
	if m.listeners[address] != nil {
		return nil, &net.OpError{Op: "listen", Net: network, Addr: addr, Err: syscall.EADDRINUSE}
	}
	l := &memListener{memory: m, addr: addr, queue: make(chan net.Conn, 128), closed: make(chan struct{}), late: make(chan struct{})}
	m.listeners[address] = l
	return l, nil
}

func (m *memory) dial(network, address string) (net.Conn, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.listeners[address]
	refused := &net.OpError{Op: "dial", Net: network, Addr: memAddr{network, address}, Err: syscall.ECONNREFUSED}
	if l == nil {
		return nil, refused
	}
	client, server := net.Pipe()
	select {
	case l.queue <- server:
		return client, nil
	default:
		return nil, refused
	}
}

// A memListener accepts the connections that are dialled in a memory.
type memListener struct {
	memory *memory
	addr   memAddr
	queue  chan net.Conn
	closed chan struct{}

	mu    sync.Mutex
	late  chan struct{} // closed when the deadline has passed
	timer *time.Timer   // closes late
}

func (l *memListener) Accept() (net.Conn, error) {
	l.mu.Lock()
	late := l.late
	l.mu.Unlock()
	err := net.ErrClosed // unless it is late
	select {
	case c := <-l.queue:
		return c, nil
	case <-l.closed:
	case <-late:
		select {
		case c := <-l.queue: // came first
			return c, nil
		default:
			err = os.ErrDeadlineExceeded
		}
	}
	return nil, &net.OpError{Op: "accept", Net: l.addr.network, Addr: l.addr, Err: err}
}

// Close resets the connections in the queue, as the kernel does.
func (l *memListener) Close() error {
	l.memory.mu.Lock()
	defer l.memory.mu.Unlock()
	if isClosed(l.closed) {
		return net.ErrClosed
	}
	close(l.closed)
	delete(l.memory.listeners, l.addr.text)
	for {
		select {
		case c := <-l.queue:
			c.Close()
		default:
			return nil
		}
	}
}

func (l *memListener) Addr() net.Addr { return l.addr }

// SetDeadline implements gate.Socket. It concerns an Accept that waits, too.
func (l *memListener) SetDeadline(t time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil {
		l.timer.Stop()
	}
	if isClosed(l.late) {
		l.late = make(chan struct{})
	}
	late := l.late
	pass := func() {
		if !isClosed(late) {
			close(late)
		}
	}
	switch {
	case t.IsZero():
	case time.Until(t) <= 0:
		pass()
	default:
		l.timer = time.AfterFunc(time.Until(t), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			pass()
		})
	}
	return nil
}

type memAddr struct{ network, text string }

func (a memAddr) Network() string { return a.network }
func (a memAddr) String() string  { return a.text }
