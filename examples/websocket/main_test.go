//go:build linux

package main

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Each client is told with status 1001 to come back, and finds the successor.
func TestClientsAreToldToComeBack(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	addr := g.Addr["127.0.0.1:0"]
	ctx, cancel := context.WithTimeout(t.Context(), exampletest.Patience)
	defer cancel()
	dial := func() *websocket.Conn {
		c, _, err := websocket.Dial(ctx, "ws://"+addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	says := func(c *websocket.Conn, from string) {
		t.Helper()
		got, err := exchange(ctx, c, []byte("hi"))
		if err != nil || !strings.HasPrefix(got, "hi from "+from) {
			t.Errorf("got %q, %v, want it from %s", got, err, from)
		}
	}
	var clients []*websocket.Conn
	for range 20 {
		c := dial()
		says(c, "version=1")
		clients = append(clients, c)
	}
	exampletest.Replace(t, bin, "2")
	p.Signal(g.PID, syscall.SIGHUP)
	next := p.Serving(2, 1)
	for i, c := range clients {
		_, _, err := c.Read(ctx)
		if got := websocket.CloseStatus(err); got != websocket.StatusGoingAway {
			t.Errorf("client %d: got %v (%v), want 1001", i, got, err)
		}
		back := dial()
		says(back, "version=2")
		back.Close(websocket.StatusNormalClosure, "")
	}
	p.Exit()
	p.Logged("restart: drained", fmt.Sprintf("pid=%d", g.PID), "cut=0")
	p.Signal(next.PID, syscall.SIGTERM)
	p.Gone(next.PID)
}
