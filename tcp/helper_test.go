package tcp

import (
	"bytes"
	"io"
	"net"
	"sync"
	"testing"
)

// A fakeListener is one whose Accept returns what the test puts into accepts.
type fakeListener struct {
	accepts chan any // net.Conn or error
	closed  chan struct{}
	once    sync.Once
}

func newFakeListener() *fakeListener {
	return &fakeListener{accepts: make(chan any), closed: make(chan struct{})}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepts:
		if c, ok := a.(net.Conn); ok {
			return c, nil
		}
		return nil, a.(error)
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

// serve runs s on a fake listener. dial returns the client's end of a new
// connection, served receives the error of Serve.
func serve(t *testing.T, s *Server) (l *fakeListener, dial func() net.Conn, served <-chan error) {
	t.Helper()
	l = newFakeListener()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return l, func() net.Conn {
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close(); server.Close() })
		l.accepts <- server
		return client
	}, done
}

// talk writes s and reads one line.
func talk(t *testing.T, c net.Conn, s string) string {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
	return line(t, c)
}

// line reads one line.
func line(t *testing.T, c net.Conn) string {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte("\n")); {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, b[0])
	}
	return string(got)
}
