//go:build linux

package main

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Whoever connects while the program is replaced again and again is answered.
func TestEveryConnectionIsAnswered(t *testing.T) {
	p := exampletest.Start(t, exampletest.Build(t, "1"), "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	addr := g.Addr["echo"]
	stop, done := make(chan struct{}), make(chan struct{})
	n := 0
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := exchange(addr); err != nil {
				t.Errorf("connection %d: %v", n, err)
				return
			}
			n++
		}
	}()
	for i := range 10 {
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
	}
	close(stop)
	<-done
	t.Logf("%d connections over 10 restarts, all answered", n)
	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
	exampletest.Refused(t, addr)
}

func exchange(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := fmt.Fprintln(c, "hi"); err != nil {
		return err
	}
	lines := bufio.NewReader(c)
	for _, want := range []string{"hello from ", "hi\n"} {
		got, err := lines.ReadString('\n')
		if err != nil || !strings.HasPrefix(got, want) {
			return fmt.Errorf("got %q, %w, want %q", got, err, want)
		}
	}
	return nil
}
