//go:build linux

package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/examples/internal/exampletest"
)

var (
	clients  = flag.Int("clients", 100, "clients of TestNoNumberIsSkipped")
	restarts = flag.Int("restarts", 10, "restarts of TestNoNumberIsSkipped")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Clients count upwards, each on the one connection that it has, while the
// program is replaced again and again. No connection closes, no number is
// skipped or repeated.
func TestNoNumberIsSkipped(t *testing.T) {
	p := exampletest.Start(t, exampletest.Build(t, "1"), "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	var numbers atomic.Int64
	stop := make(chan struct{})
	var running sync.WaitGroup
	for i := range *clients {
		c, err := net.Dial("tcp", g.Addr["count"])
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		running.Go(func() {
			if n, err := counts(c, stop, &numbers); err != nil {
				t.Errorf("client %d after %d: %v", i, n, err)
			}
		})
	}
	for i := range *restarts {
		// Most clients count on before each restart.
		want := numbers.Load() + int64(*clients)
		exampletest.Until(t, "the clients go on", func() bool { return numbers.Load() >= want })
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
	}
	close(stop)
	running.Wait()
	t.Logf("%d clients, %d restarts: %d numbers, each once and in order, on %d connections", *clients, *restarts, numbers.Load(), *clients)
	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}

// counts sends lines and checks that the answers count upwards, until stop.
// Some lines come in pieces and some together.
func counts(c net.Conn, stop <-chan struct{}, numbers *atomic.Int64) (n int, err error) {
	answers := bufio.NewReader(c)
	for {
		select {
		case <-stop:
			return n, nil
		case <-time.After(10 * time.Millisecond): // a client that thinks
		}
		c.SetDeadline(time.Now().Add(exampletest.Patience))
		for range 2 {
			if _, err := io.WriteString(c, "next\nne"); err != nil {
				return n, err
			}
			if _, err := io.WriteString(c, "xt\n"); err != nil {
				return n, err
			}
		}
		for range 4 {
			n++
			line, err := answers.ReadString('\n')
			if err != nil {
				return n, err
			}
			var got int
			if _, err := fmt.Sscanf(line, "%d from", &got); err != nil || got != n {
				return n, fmt.Errorf("got %q, want %d", line, n)
			}
			numbers.Add(1)
		}
	}
}
