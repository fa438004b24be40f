//go:build linux

package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"example.com/restart/examples/internal/exampletest"
)

// A server is where clients connect.
type server struct {
	addr   string
	config *tls.Config // nil: without TLS
}

func (s server) dial() (net.Conn, error) {
	if s.config == nil {
		return net.Dial("tcp", s.addr)
	}
	return tls.Dial("tcp", s.addr, s.config)
}

// A load is clients that stay and that never come back.
type load struct {
	halt     chan struct{}
	clients  sync.WaitGroup
	messages atomic.Int64
}

// wait waits for so many messages more.
func (l *load) wait(t *testing.T, n int64) {
	t.Helper()
	n += l.messages.Load()
	exampletest.Until(t, "messages come", func() bool { return l.messages.Load() >= n || t.Failed() })
}

func (l *load) over() bool {
	select {
	case <-l.halt:
		return true
	default:
		return false
	}
}

// talk counts what it says: the server must count the same.
func (l *load) talk(to server, path string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	scheme := "ws"
	if to.config != nil {
		scheme = "wss"
	}
	c, _, err := websocket.Dial(ctx, scheme+"://"+to.addr+"/"+path, &websocket.DialOptions{
		HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: to.config}},
	})
	if err != nil {
		return err
	}
	defer c.CloseNow()
	for n := 1; !l.over(); n++ {
		if err := c.Write(ctx, websocket.MessageText, fmt.Append(nil, n)); err != nil {
			return err
		}
		_, b, err := c.Read(ctx)
		if err != nil {
			return err
		}
		if want := fmt.Sprintf("%d %d from ", n, n); !strings.HasPrefix(string(b), want) {
			return fmt.Errorf("got %q, want %q", b, want)
		}
		l.messages.Add(1)
	}
	return nil
}

// get asks on a connection of its own.
func get(c net.Conn, br *bufio.Reader, path string) (*http.Response, error) {
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return nil, err
	}
	return http.ReadResponse(br, nil)
}

func (l *load) follow(to server) error {
	c, err := to.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	resp, err := get(c, bufio.NewReader(c), "/events")
	if err != nil {
		return err
	}
	lines := bufio.NewScanner(resp.Body)
	for n := 1; !l.over() && lines.Scan(); {
		id, ok := strings.CutPrefix(lines.Text(), "id: ")
		if !ok {
			continue
		}
		if id != fmt.Sprint(n) {
			return fmt.Errorf("got event %s, want %d", id, n)
		}
		n++
		l.messages.Add(1)
	}
	if !l.over() {
		return fmt.Errorf("the stream has ended: %v", lines.Err())
	}
	return nil
}

func (l *load) poll(to server) error {
	c, err := to.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	for br := bufio.NewReader(c); !l.over(); l.messages.Add(1) {
		resp, err := get(c, br, "/poll")
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || resp.Close || !strings.HasPrefix(string(b), "version=") {
			return fmt.Errorf("got %s %q (closes: %v), %v", resp.Status, b, resp.Close, err)
		}
	}
	return nil
}
