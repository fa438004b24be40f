//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Clients stay until they are told to go, and each finds the next process when
// it comes back.
func TestClientsComeBack(t *testing.T) {
	p := exampletest.Start(t, exampletest.Build(t, "1"), "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	addr := g.Addr["echo"]
	for i := range 5 {
		var clients []*client
		for range 10 {
			c := dial(t, addr)
			c.answeredBy(t, g.PID)
			clients = append(clients, c)
		}
		p.Signal(g.PID, syscall.SIGHUP)
		next := p.Serving(i+2, 1)
		for _, c := range clients {
			c.toldBye(t, g.PID)
		}
		p.Gone(g.PID)
		g = next
	}
	last := dial(t, addr)
	last.answeredBy(t, g.PID)
	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	last.toldBye(t, g.PID)
	p.Gone(g.PID)
	exampletest.Refused(t, addr)
}

type client struct {
	net.Conn
	lines *bufio.Scanner
}

func dial(t *testing.T, addr string) *client {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &client{c, bufio.NewScanner(c)}
}

func (c *client) answeredBy(t *testing.T, pid int) {
	t.Helper()
	if _, err := fmt.Fprintln(c, "hi"); err != nil {
		t.Fatal(err)
	}
	if !c.lines.Scan() || !strings.HasSuffix(c.lines.Text(), "pid="+strconv.Itoa(pid)) {
		t.Fatalf("got %q, %v, want an answer of process %d", c.lines.Text(), c.lines.Err(), pid)
	}
}

// toldBye checks that the process goes away with a goodbye.
func (c *client) toldBye(t *testing.T, pid int) {
	t.Helper()
	if !c.lines.Scan() || c.lines.Text() != "bye" {
		t.Fatalf("got %q, %v, want process %d to say bye", c.lines.Text(), c.lines.Err(), pid)
	}
	if c.lines.Scan() || c.lines.Err() != nil {
		t.Errorf("after bye: got %q, %v, want the end", c.lines.Text(), c.lines.Err())
	}
}
