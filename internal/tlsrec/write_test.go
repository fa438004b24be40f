package tlsrec

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// After an error of the socket nothing more is sent: the client may have got part
// of a record.
func TestNothingFollowsAFailedWrite(t *testing.T) {
	state, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	m := &half{memory: new(memory)}
	c, err := New(m, state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write([]byte("hello")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v, want the error of the socket", err)
	}
	sent := len(m.out)
	c.Write([]byte("again"))
	c.Close()
	if len(m.out) != sent {
		t.Errorf("%d bytes followed", len(m.out)-sent)
	}
}

// A half writes half of what it is given.
type half struct{ *memory }

func (h *half) Write(p []byte) (int, error) {
	n, _ := h.memory.Write(p[:len(p)/2])
	return n, os.ErrDeadlineExceeded
}

// Close does not wait for a Write to a client that does not read.
func TestCloseDuringWrite(t *testing.T) {
	client, server := net.Pipe()
	defer client.Close()
	state, _ := newPeer(t, tls.TLS_AES_128_GCM_SHA256)
	c, err := New(server, state)
	if err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error, 1)
	go func() { _, err := c.Write([]byte("hello")); wrote <- err }()
	if _, err := io.ReadFull(client, make([]byte, 1)); err != nil { // the Write has begun
		t.Fatal(err)
	}
	c.Close()
	select {
	case err := <-wrote:
		if err == nil {
			t.Error("got no error")
		}
	case <-time.After(20 * time.Second):
		t.Fatal("the Write does not return")
	}
}
