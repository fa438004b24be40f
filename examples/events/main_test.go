//go:build linux

package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/examples/internal/exampletest"
)

var (
	clients  = flag.Int("clients", 10, "clients of each kind in TestNoEventIsMissed")
	restarts = flag.Int("restarts", 5, "restarts in TestNoEventIsMissed")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Streams that can move never end. Where they cannot, they end at each restart,
// and the clients connect anew. Either way each event comes once and in order.
func TestNoEventIsMissed(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	var all []*client
	var running sync.WaitGroup
	for i := range 2 * *clients {
		c := &client{addr: g.Addr["127.0.0.1:0"], moves: i%2 == 0}
		all = append(all, c)
		running.Go(func() { c.err = c.follow() })
	}
	goOn := func() {
		t.Helper()
		for i, c := range all {
			n := c.events.Load() + 3
			exampletest.Until(t, fmt.Sprintf("client %d has %d events", i, n), func() bool { return c.events.Load() >= n || c.failed.Load() })
		}
	}
	goOn()
	for i := range *restarts {
		old := g.PID
		p.Signal(old, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
		p.Gone(old)
		goOn()
	}
	for _, c := range all {
		c.quit.Store(true)
	}
	running.Wait()
	events := int64(0)
	for i, c := range all {
		streams := 1
		if !c.moves {
			streams += *restarts
		}
		if c.err != nil || c.streams != streams {
			t.Errorf("client %d, which moves: %v, had %d streams, want %d: %v", i, c.moves, c.streams, streams, c.err)
		}
		events += c.events.Load()
	}
	t.Logf("%d clients, %d restarts, %d events", len(all), *restarts, events)
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}

func TestLastEventIDMustBeANumber(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	req, err := http.NewRequest(http.MethodGet, "http://"+p.Serving(1, 1).Addr["127.0.0.1:0"]+"/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Last-Event-ID", "x")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("got %s", resp.Status)
	}
}

// A client follows the events, on as many streams as it takes.
type client struct {
	addr   string
	moves  bool
	quit   atomic.Bool
	events atomic.Int64
	failed atomic.Bool

	// To be read when follow has returned.
	streams int
	err     error
}

func (c *client) follow() (err error) {
	defer func() { c.failed.Store(err != nil) }()
	var last int64
	for !c.quit.Load() {
		if last, err = c.stream(last); err != nil {
			return err
		}
	}
	return nil
}

// stream follows one stream, from the event after last on if that is not 0, and
// returns the number of the last event.
func (c *client) stream(last int64) (int64, error) {
	c.streams++
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	head := "GET /events HTTP/1.1\r\nHost: test\r\n"
	if last != 0 {
		head += fmt.Sprintf("Last-Event-ID: %d\r\n", last)
	}
	if !c.moves {
		head += "Connection: close\r\n" // what is to be closed does not move
	}
	conn.SetDeadline(time.Now().Add(exampletest.Patience))
	if _, err := io.WriteString(conn, head+"\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(resp.Body)
	for !c.quit.Load() && lines.Scan() {
		id, ok := strings.CutPrefix(lines.Text(), "id: ")
		if !ok {
			continue
		}
		conn.SetDeadline(time.Now().Add(exampletest.Patience))
		n, err := strconv.ParseInt(id, 10, 64)
		if err != nil || last != 0 && n != last+1 {
			return 0, fmt.Errorf("got event %q after %d", id, last)
		}
		last = n
		c.events.Add(1)
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("after event %d: %w", last, err)
	}
	if c.moves && !c.quit.Load() {
		return 0, errors.New("the stream has ended")
	}
	return last, nil
}
