package servicetest

import (
	"net"
	"sync"
)

// A moment is when a held client stops.
type moment int

const (
	beforeRequest moment = iota // before its first Write
	withinRequest               // after the first byte of its first Write
	beforeAnswer                // before its first Read after a Write
)

// A heldClient is a client's connection that stops at some moment until it is
// released or closed.
type heldClient struct {
	net.Conn
	at       moment
	reached  chan struct{} // closed when it stops
	reach    sync.Once
	released chan struct{}
	closed   chan struct{}
	closer   sync.Once

	mu       sync.Mutex
	written  int64         // bytes
	progress chan struct{} // closed and replaced when written grows
}

// hold wraps c, a client's connection that s has made.
func (s *subject) hold(c net.Conn, at moment) *heldClient {
	h := &heldClient{
		Conn:     c,
		at:       at,
		reached:  make(chan struct{}),
		released: make(chan struct{}),
		closed:   make(chan struct{}),
		progress: make(chan struct{}),
	}
	s.clients = append(s.clients, h)
	return h
}

func (h *heldClient) stop() {
	h.reach.Do(func() { close(h.reached) })
	select {
	case <-h.released:
	case <-h.closed:
	}
}

func (h *heldClient) release() { close(h.released) }

func (h *heldClient) Read(b []byte) (int, error) {
	if written, _ := h.bytes(); h.at == beforeAnswer && written > 0 {
		h.stop()
	}
	return h.Conn.Read(b)
}

func (h *heldClient) Write(b []byte) (int, error) {
	done := 0
	switch {
	case len(b) == 0:
	case h.at == beforeRequest:
		h.stop()
	case h.at == withinRequest:
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

func (h *heldClient) write(b []byte) (int, error) {
	n, err := h.Conn.Write(b)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.written += int64(n)
	close(h.progress)
	h.progress = make(chan struct{})
	return n, err
}

func (h *heldClient) Close() error {
	h.closer.Do(func() { close(h.closed) })
	return h.Conn.Close()
}

// bytes returns how many bytes the client has written, and a channel that is
// closed when there are more.
func (h *heldClient) bytes() (written int64, more <-chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.written, h.progress
}

// An answerHold delays the answers of a service to one client until the client
// is released.
type answerHold struct{ client *heldClient }

// wait is called before the service writes to c. It returns at once while the
// service has not read the client's request: a greeting is no answer.
func (h *answerHold) wait(c *serverConn) {
	for {
		written, more := h.client.bytes()
		t, _ := c.gate.tally()
		if t.read == 0 || t.read < written {
			return
		}
		select {
		case <-more: // the request goes on
		case <-h.client.released:
			return
		case <-h.client.closed:
			return
		case <-c.closed:
			return
		}
	}
}
