//go:build linux

package restarthttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// counting counts the writes that come by way of conn.
type counting struct {
	net.Conn
	writes atomic.Int64
}

func (c *counting) NetConn() net.Conn { return c.Conn }

func (c *counting) Write(p []byte) (int, error) { c.writes.Add(1); return c.Conn.Write(p) }

// hijackable is a response whose connection is c.
type hijackable struct {
	http.ResponseWriter
	c *conn
}

func (h hijackable) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return h.c, bufio.NewReadWriter(bufio.NewReader(h.c), nil), nil
}

// A library that writes a header and a payload at once gets one system call for
// both, writev(2), unless its connection is kept: that must see every byte.
func TestUpgradeKnowsWritev(t *testing.T) {
	for name, kept := range map[string]bool{"not kept": false, "kept": true} {
		p := &pair{t: t}
		client, server := p.tcp()
		below := &counting{Conn: server}
		up := newConn(below, newConns(nil), movable)
		if kept {
			up.kept.Store(newKept(up, keptWebSocket, nil))
			up.kept.Load().out.stage = stageFrames
		}
		c, _, err := (&upgrader{hijackable{c: up}, up}).Hijack()
		if err != nil {
			t.Fatal(err)
		}
		all := net.Buffers{[]byte("he"), []byte("llo")}
		if _, err := all.WriteTo(c); err != nil {
			t.Error(err)
		}
		if got := below.writes.Load() == 0; got == kept {
			t.Errorf("%s: %d writes below", name, below.writes.Load())
		}
		b := make([]byte, 5)
		if _, err := io.ReadFull(client, b); string(b) != "hello" {
			t.Errorf("%s: got %q, %v", name, b, err)
		}
	}
}
