package rawhttp

import (
	"crypto/tls"
	"io"
	"net"
	"testing"
	"time"

	"example.com/restart/storm/endpoints"
)

func TestPeek(t *testing.T) {
	c, s := pair(t)
	if got := c.Socket().Peek(); got != PendingNothing || c.IdleClosed() {
		t.Errorf("silent: got %v, want PendingNothing and not closed", got)
	}
	if _, err := io.WriteString(s, "HTTP/1.1 408 Request Timeout\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	await(t, c, PendingData)
	if !c.IdleClosed() {
		t.Error("a 408 unasked for is the beginning of a close")
	}
	// Looking must not take: the response is still there.
	s.CloseWrite()
	if r, err := c.ReadResponse(nil); err != nil || r.Status != 408 {
		t.Errorf("got %+v, %v, want 408", r, err)
	}
	await(t, c, PendingEnd)
	c.Close()
	if got := c.Socket().Peek(); got != PendingEnd {
		t.Errorf("closed by us: got %v, want PendingEnd", got)
	}
}

func TestPeekReset(t *testing.T) {
	c, s := pair(t)
	s.SetLinger(0)
	s.Close()
	await(t, c, PendingEnd)
	if !c.IdleClosed() {
		t.Error("a reset is a close")
	}
}

// await polls: the kernel delivers on loopback at once, but in its own time.
func await(t *testing.T, c *Conn, want Pending) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
		if c.Socket().Peek() == want {
			return
		}
	}
	t.Fatalf("got %v, want %v", c.Socket().Peek(), want)
}

func TestIsCloseNotify(t *testing.T) {
	tests := []struct {
		name string
		head [5]byte
		want bool
	}{
		{"alert in the clear", [5]byte{21, 3, 3, 0, 2}, true},
		{"encrypted alert", [5]byte{23, 3, 3, 0, 19}, true},
		{"session ticket", [5]byte{23, 3, 3, 0, 120}, false},
		{"handshake", [5]byte{22, 3, 3, 0, 10}, false},
	}
	for _, tt := range tests {
		if got := isCloseNotify(tt.head); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
	}
}

// A server that closes a TLS connection sends close_notify before FIN. The bytes of it hide the FIN from a look.
func TestEndedSeesCloseNotify(t *testing.T) {
	cert, err := endpoints.Certificate()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		s, err := ln.Accept()
		if err == nil {
			_, err = io.WriteString(s, "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\na")
		}
		if err != nil {
			s = nil
		}
		accepted <- s
	}()
	c, err := Dial(t.Context(), ln.Addr().String(), &tls.Config{InsecureSkipVerify: true}, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s := <-accepted
	if s == nil {
		t.Fatal("the server did not serve")
	}
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.ReadResponse(nil); err != nil {
		t.Fatal(err)
	}
	if c.Socket().Ended() || c.IdleClosed() {
		t.Error("an open connection looks ended")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); !c.Socket().Ended(); {
		if time.Now().After(deadline) {
			t.Fatal("the end is not seen")
		}
	}
	if !c.IdleClosed() {
		t.Error("Ended sees the end, IdleClosed does not")
	}
}
