//go:build linux

package restart

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/channel"
	"example.com/restart/internal/fdutil"
	"example.com/restart/internal/manager"
	"example.com/restart/internal/proctest"
	"example.com/restart/internal/sockaddr"
	"example.com/restart/internal/spawn"
)

// patience bounds every wait of these tests. It is a guard against hanging,
// never a measure.
const patience = 15 * time.Second

type sysConn = syscall.Conn

func dup(t *testing.T, c sysConn) *os.File {
	t.Helper()
	f, err := fdutil.Dup(c)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// logs is a slog.Handler that keeps its lines, to be shown when a test fails.
type logs struct {
	mu  *sync.Mutex
	buf *bytes.Buffer
	slog.Handler
}

func newLogs(t *testing.T) *logs {
	buf := new(bytes.Buffer)
	l := &logs{mu: new(sync.Mutex), buf: buf}
	l.Handler = slog.NewTextHandler(buf, &slog.HandlerOptions{Level: slog.LevelDebug})
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("log:\n%s", l.String())
		}
	})
	return l
}

func (l *logs) Handle(ctx context.Context, r slog.Record) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Handler.Handle(ctx, r)
}

func (l *logs) WithAttrs(as []slog.Attr) slog.Handler {
	with := *l
	with.Handler = l.Handler.WithAttrs(as)
	return &with
}

func (l *logs) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logs) count(words ...string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.countLocked(words)
}

func (l *logs) countLocked(words []string) int {
	count := 0
	for line := range strings.Lines(l.buf.String()) {
		all := true
		for _, w := range words {
			all = all && strings.Contains(line, w)
		}
		if all {
			count++
		}
	}
	return count
}

// fakeSystem is the system of a process on a cold start that can start none. The
// process ends when its Restarter gives up the signals: when Run returns.
func fakeSystem() system {
	var mu sync.Mutex
	var lifeline []*os.File
	return system{
		program:   os.Args[0],
		inherit:   func() (*channel.Conn, error) { return nil, nil },
		activated: func() []manager.Socket { return nil },
		listen:    sockaddr.Listen,
		start: func(spawn.Command, spawn.Parent, *os.File, *spawn.Tail, spawn.Greeting) (spawn.Process, error) {
			return nil, errors.New("no process in this test")
		},
		notify:  func(chan<- os.Signal, ...os.Signal) {}, // tests send to r.signals
		process: new(process),
		manager: manager.Nobody{},
		entered: func(State) {},
		lifeline: func() (*os.File, error) {
			r, w, err := os.Pipe()
			mu.Lock()
			defer mu.Unlock()
			lifeline = append(lifeline, r, w)
			return r, err
		},
		stop: func(chan<- os.Signal) {
			mu.Lock()
			defer mu.Unlock()
			for _, f := range lifeline {
				f.Close() // does no harm to a closed one
			}
		},
	}
}

// fakeRestarter makes a Restarter whose files are closed at the end, run or
// not.
func fakeRestarter(t *testing.T, o Options, sys system) *Restarter {
	t.Helper()
	if o.Logger == nil {
		o.Logger = slog.New(newLogs(t))
	}
	r, err := newRestarter(o, sys)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if !r.ran.Load() {
			r.close()
			for _, s := range r.table.list() {
				s.close()
			}
		}
	})
	return r
}

// A testService answers each connection with a line that names it, after the
// client has sent one. It has no sockets or clocks of its own.
type testService struct {
	answer string
	accept atomic.Pointer[func(net.Conn)] // instead of answering

	mu       sync.Mutex
	ln       net.Listener
	shut     bool
	fail     chan error // ends Serve
	shutdown error      // result of Shutdown
	handlers sync.WaitGroup
}

func newTestService() *testService { return &testService{fail: make(chan error, 1)} }

func (s *testService) Serve(ln net.Listener) error {
	s.mu.Lock()
	s.ln = ln
	shut := s.shut
	s.mu.Unlock()
	if shut {
		ln.Close()
		return net.ErrClosed
	}
	accepted := make(chan error, 1)
	go func() {
		for {
			c, err := ln.Accept()
			if errors.Is(err, syscall.EMFILE) {
				runtime.Gosched() // until a file is closed
				continue
			}
			if err != nil {
				accepted <- err
				return
			}
			s.handlers.Go(func() { s.handle(c) })
		}
	}()
	select {
	case err := <-accepted:
		return err
	case err := <-s.fail:
		ln.Close()
		<-accepted
		return err
	}
}

func (s *testService) handle(c net.Conn) {
	defer c.Close()
	if accept := s.accept.Load(); accept != nil {
		(*accept)(c)
		return
	}
	buf := make([]byte, 100)
	if _, err := c.Read(buf); err == nil {
		fmt.Fprintln(c, s.answer)
	}
}

func (s *testService) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.shut = true
	ln := s.ln
	s.mu.Unlock()
	if ln != nil {
		ln.Close()
	}
	done := make(chan struct{})
	go func() { s.handlers.Wait(); close(done) }()
	select {
	case <-done:
		return s.shutdown
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask sends one line on a new connection and returns the answer. It never
// tries twice.
func ask(address string) (string, error) {
	c, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return "", err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := fmt.Fprintln(c, "?"); err != nil {
		return "", err
	}
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(buf[:n])), nil
}

func slogTo(l *logs) *slog.Logger { return slog.New(l) }

// until waits, within a bound, until ok.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	proctest.Poll(t, what, func() error {
		if !ok() {
			return errors.New("not yet")
		}
		return nil
	})
}
