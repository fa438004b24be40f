//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/coder/websocket"

	"example.com/restart/examples/internal/exampletest"
)

var (
	clients  = flag.Int("clients", 10, "clients of each kind in TestNothingIsLost")
	restarts = flag.Int("restarts", 4, "restarts in TestNothingIsLost")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Over restarts every client keeps its connection, and each message comes once
// and in order.
func TestNothingIsLost(t *testing.T) {
	bin := exampletest.Build(t, "1")
	p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	addr := g.Addr["127.0.0.1:0"]
	l := &load{halt: make(chan struct{})}
	for range *clients {
		for name, client := range map[string]func(*load, string) error{
			"coder":   func(l *load, addr string) error { return l.talk("ws://" + addr + "/coder") },
			"gorilla": func(l *load, addr string) error { return l.talk("ws://" + addr + "/gorilla") },
			"gobwas":  func(l *load, addr string) error { return l.talk("ws://" + addr + "/gobwas") },
			"events":  (*load).follow,
			"poll":    (*load).poll,
		} {
			l.clients.Go(func() {
				if err := client(l, addr); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
	}
	for i := range *restarts {
		l.wait(t, int64(20**clients)) // all kinds are at work
		exampletest.Replace(t, bin, fmt.Sprint(i+2))
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
	}
	l.wait(t, int64(20**clients))
	close(l.halt)
	l.clients.Wait()
	t.Logf("%d clients, %d restarts, %d messages", 5**clients, *restarts, l.messages.Load())
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}

// A successor that is killed while connections move may take some with it. What is
// left is answered once and in order.
func TestSuccessorIsKilled(t *testing.T) {
	bin := exampletest.Build(t, "1")
	for i := range 6 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			p := exampletest.Start(t, bin, "-addr", "127.0.0.1:0")
			g := p.Serving(1, 1)
			addr := g.Addr["127.0.0.1:0"]
			l := &load{halt: make(chan struct{})}
			for range *clients {
				for _, client := range []func() error{
					func() error { return l.talk("ws://" + addr + "/coder") },
					func() error { return l.talk("ws://" + addr + "/gorilla") },
					func() error { return l.talk("ws://" + addr + "/gobwas") },
					func() error { return l.follow(addr) },
					func() error { return l.poll(addr) },
				} {
					l.clients.Go(func() {
						if err := client(); errors.Is(err, errWrong) {
							t.Error(err)
						}
					})
				}
			}
			l.wait(t, int64(20**clients))
			p.Signal(g.PID, syscall.SIGHUP)
			next := p.Serving(2, 1)
			bound := time.Now().Add(exampletest.Patience)
			for before := l.messages.Load(); l.messages.Load() < before+int64(i*i) && time.Now().Before(bound); {
				runtime.Gosched() // another moment each time
			}
			p.Signal(next.PID, syscall.SIGKILL)
			close(l.halt)
			l.clients.Wait()
			p.Exit() // nobody is left to serve
		})
	}
}

// errWrong is an answer that is not the one to the last message.
var errWrong = errors.New("wrong answer")

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
	for bound := time.Now().Add(exampletest.Patience); l.messages.Load() < n && !t.Failed(); {
		if time.Now().After(bound) {
			t.Fatal("no messages come")
		}
		time.Sleep(time.Millisecond)
	}
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
func (l *load) talk(url string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
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
			return fmt.Errorf("%w: got %q, want %q", errWrong, b, want)
		}
		l.messages.Add(1)
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

// get asks on a connection of its own.
func get(c net.Conn, br *bufio.Reader, path string) (*http.Response, error) {
	c.SetDeadline(time.Now().Add(2 * time.Minute))
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return nil, err
	}
	return http.ReadResponse(br, nil)
}

func (l *load) follow(addr string) error {
	c, err := net.Dial("tcp", addr)
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
			return fmt.Errorf("%w: got event %s, want %d", errWrong, id, n)
		}
		n++
		l.messages.Add(1)
	}
	if !l.over() {
		return fmt.Errorf("the stream has ended: %v", lines.Err())
	}
	return nil
}

func (l *load) poll(addr string) error {
	c, err := net.Dial("tcp", addr)
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
