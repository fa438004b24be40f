package servicetest

import (
	"net"
	"sync"
)

// What a held connection waits for.
type moment int

const (
	holdRead  moment = iota // its first Read
	holdWrite               // what follows the first byte of its first Write
)

// A held connection is a client's that stops at some moment until it is
// released or closed.
type held struct {
	net.Conn
	at       moment
	reached  chan struct{} // closed when it stops
	released chan struct{}
	closed   chan struct{}
	reach    sync.Once
	close    sync.Once

	mu sync.Mutex
	n  int64 // bytes written
}

// hold holds c, a client's connection that s has made.
func (s *subject) hold(c net.Conn, at moment) *held {
	h := &held{
		Conn: c, at: at,
		reached: make(chan struct{}), released: make(chan struct{}), closed: make(chan struct{}),
	}
	s.clients = append(s.clients, h)
	return h
}

func (h *held) stop() {
	h.reach.Do(func() { close(h.reached) })
	select {
	case <-h.released:
	case <-h.closed:
	}
}

func (h *held) release() { close(h.released) }

func (h *held) Read(b []byte) (int, error) {
	if h.at == holdRead {
		h.stop()
	}
	return h.Conn.Read(b)
}

func (h *held) Write(b []byte) (int, error) {
	done := 0
	if h.at == holdWrite && len(b) > 0 {
		n, err := h.write(b[:1])
		if err != nil {
			return n, err
		}
		h.stop()
		done = 1
	}
	n, err := h.write(b[done:])
	return done + n, err
}

func (h *held) write(b []byte) (int, error) {
	n, err := h.Conn.Write(b)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n += int64(n)
	return n, err
}

func (h *held) Close() error {
	h.close.Do(func() { close(h.closed) })
	return h.Conn.Close()
}

func (h *held) written() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.n
}
