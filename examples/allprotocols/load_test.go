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

// A load calls in a loop, until something is lost or stop is closed.
type load struct {
	name, addr string
	connect    func(addr string) (caller, error)
	fresh      bool // a connection for each call

	// dropping says that the listener is about to be dropped: clients that come
	// from then on may come too late, and stop when they are refused.
	dropping atomic.Bool

	calls, lost, refused atomic.Int64 // refused counts clients
	mu                   sync.Mutex
	first                error // that lost something
}

func (l *load) run(stop <-chan struct{}) {
	var c caller
	defer func() {
		if c != nil {
			c.Close()
		}
	}()
	wasReset := false
	for {
		select {
		case <-stop:
			return
		case <-time.After(2 * time.Millisecond): // others need the machine, too
		}
		inTime := true
		if c == nil {
			var err error
			c, err = l.connect(l.addr)
			inTime = !l.dropping.Load()
			switch {
			case errors.Is(err, syscall.ECONNREFUSED) && !inTime:
				l.refused.Add(1)
				return
			case isReset(err) && !inTime:
				c, wasReset = nil, true
				continue
			case err != nil:
				c = nil
				l.fail(err)
				return
			case wasReset:
				l.fail(errors.New("a client was reset while the listener was open"))
				return
			}
		}
		switch err := c.call(); {
		case err == nil:
			l.calls.Add(1)
			if !l.fresh {
				continue
			}
		case inTime:
			l.fail(err)
			return
		case errors.Is(err, errBye): // the client may try again
		case isReset(err):
			wasReset = true // and the next one must be refused
		default:
			l.fail(err)
			return
		}
		c.Close()
		c = nil
	}
}

// isReset reports whether err is that of a client that came at the very moment
// in which the listener was closed: the kernel resets it.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
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

// errBye is what a TCP client gets that has asked nothing for a while when the
// server stops.
var errBye = errors.New("the server said bye")

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
	if err == nil && got == "bye\n" {
		return errBye
	}
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
