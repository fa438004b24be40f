//go:build linux

package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/restart/examples/internal/exampletest"
	"example.com/restart/examples/internal/greeter"
)

// A caller calls over one connection. None of them tries again, but for gRPC's
// standard rules.
type caller interface {
	call() error
	io.Closer
}

var kinds = []struct {
	name, listener string
	connect        func(addr string) (caller, error)
}{
	{"HTTP", "web", connectHTTP},
	{"gRPC", "rpc", connectGRPC},
	{"TCP", "line", connectLine},
	{"UDP", "udp", connectUDP},
}

// A load calls in a loop, until something is lost.
type load struct {
	name, addr string
	connect    func(addr string) (caller, error)
	fresh      bool // a connection for each call
	mayEnd     bool // the listener is dropped at some time

	calls, lost atomic.Int64
	mu          sync.Mutex
	first       error // that lost something
	refused     error // how it ended, if it may
}

func (l *load) run(stop <-chan struct{}) {
	var c caller
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond):
		}
		if c == nil {
			var err error
			if c, err = l.connect(l.addr); err != nil {
				if l.end(err) {
					return
				}
				c = nil
				continue
			}
		}
		if err := c.call(); err != nil {
			l.fail(err)
			return
		}
		l.calls.Add(1)
		if l.fresh {
			c.Close()
			c = nil
		}
	}
}

// end notes that no connection could be made, and reports whether to stop.
func (l *load) end(err error) bool {
	if !l.mayEnd || !errors.Is(err, syscall.ECONNREFUSED) {
		l.fail(err)
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.refused = err
	return true
}

func (l *load) fail(err error) {
	l.lost.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first == nil {
		l.first = err
	}
}

func (l *load) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.first
}

func (l *load) ending() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refused
}

// A stream speaks over a net.Conn: ask is written, and the answer read by read.
type stream struct {
	net.Conn
	r    *bufio.Reader
	ask  string
	want string
	read func(*bufio.Reader) (string, error)
}

func (s *stream) call() error {
	s.SetDeadline(time.Now().Add(exampletest.Patience))
	if _, err := io.WriteString(s, s.ask); err != nil {
		return err
	}
	got, err := s.read(s.r)
	if err == nil && !strings.HasPrefix(got, s.want) {
		err = fmt.Errorf("got %q, want %q", got, s.want)
	}
	return err
}

func dial(network, addr, ask, want string, read func(*bufio.Reader) (string, error)) (caller, error) {
	c, err := net.Dial(network, addr)
	if err != nil {
		return nil, err
	}
	return &stream{Conn: c, r: bufio.NewReader(c), ask: ask, want: want, read: read}, nil
}

func connectLine(addr string) (caller, error) {
	return dial("tcp", addr, "hi\n", "hi from ", func(r *bufio.Reader) (string, error) { return r.ReadString('\n') })
}

func connectHTTP(addr string) (caller, error) {
	return dial("tcp", addr, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 0\r\n\r\n", "http from ",
		func(r *bufio.Reader) (string, error) {
			resp, err := http.ReadResponse(r, nil)
			if err != nil {
				return "", err
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			return string(b), err
		})
}

func connectUDP(addr string) (caller, error) {
	return dial("udp", addr, "hi", "hi from ", func(r *bufio.Reader) (string, error) {
		b := make([]byte, 1500)
		n, err := r.Read(b)
		return string(b[:n]), err
	})
}

type grpcCaller struct{ *grpc.ClientConn }

func connectGRPC(addr string) (caller, error) {
	cc, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(greeter.Retries))
	if err != nil {
		return nil, err
	}
	return grpcCaller{cc}, nil
}

func (c grpcCaller) call() error {
	ctx, cancel := context.WithTimeout(context.Background(), exampletest.Patience)
	defer cancel()
	got, err := greeter.Hello(ctx, c.ClientConn, "hi")
	if err == nil && !strings.HasPrefix(got, "hi from ") {
		err = fmt.Errorf("got %q", got)
	}
	return err
}
