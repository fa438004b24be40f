package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A listener of a test: Accept returns what the test puts in.
type fakeListener struct {
	accepts chan any // net.Conn or error
	closed  chan struct{}
	once    sync.Once
}

func newFakeListener() *fakeListener {
	return &fakeListener{accepts: make(chan any), closed: make(chan struct{})}
}

func (l *fakeListener) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepts:
		if c, ok := a.(net.Conn); ok {
			return c, nil
		}
		return nil, a.(error)
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *fakeListener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

// serve runs s on a fake listener. dial returns the client's end of a new
// connection; served yields what Serve returned.
func serve(t *testing.T, s *Server) (l *fakeListener, dial func() net.Conn, served <-chan error) {
	t.Helper()
	l = newFakeListener()
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	return l, func() net.Conn {
		client, server := net.Pipe()
		t.Cleanup(func() { client.Close(); server.Close() })
		l.accepts <- server
		return client
	}, done
}

// When descriptors run out, Accept is tried again after a pause that doubles.
func TestAcceptBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(func(_ context.Context, c net.Conn) { io.Copy(c, c) })
		s.Logger = slog.New(slog.DiscardHandler)
		l, dial, served := serve(t, s)
		var got []time.Duration
		last := time.Now()
		fail := func(err syscall.Errno) {
			l.accepts <- &net.OpError{Op: "accept", Err: err}
			got = append(got, time.Since(last))
			last = time.Now()
		}
		for range 5 {
			fail(syscall.EMFILE)
			fail(syscall.ENFILE)
		}
		ms := func(n ...time.Duration) []time.Duration {
			for i := range n {
				n[i] *= time.Millisecond
			}
			return n
		}
		if diff := cmp.Diff(ms(0, 5, 10, 20, 40, 80, 160, 320, 640, 1000), got); diff != "" {
			t.Errorf("pauses (-want +got):\n%s", diff)
		}

		// A success resets the pause.
		c := dial()
		if got := talk(t, c, "x\n"); got != "x\n" {
			t.Errorf("got %q", got)
		}
		c.Close()
		last, got = time.Now(), nil
		fail(syscall.ENOBUFS)
		fail(syscall.ENOMEM)
		if diff := cmp.Diff(ms(0, 5), got); diff != "" {
			t.Errorf("pauses after a success (-want +got):\n%s", diff)
		}

		// Shutdown does not wait for the end of a pause.
		before := time.Now()
		if err := s.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-served; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Serve: got %v, want net.ErrClosed", err)
		}
		if waited := time.Since(before); waited != 0 {
			t.Errorf("Shutdown waited %v", waited)
		}
	})
}

// talk writes s and reads one line.
func talk(t *testing.T, c net.Conn, s string) string {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
	return line(t, c)
}

func line(t *testing.T, c net.Conn) string {
	t.Helper()
	var got []byte
	for b := make([]byte, 1); !bytes.HasSuffix(got, []byte("\n")); {
		if _, err := c.Read(b); err != nil {
			t.Fatalf("after %q: %v", got, err)
		}
		got = append(got, b[0])
	}
	return string(got)
}

func TestOtherAcceptErrorsEndServe(t *testing.T) {
	s := New(func(context.Context, net.Conn) {})
	l, _, served := serve(t, s)
	l.accepts <- syscall.EINVAL
	if err := <-served; !errors.Is(err, syscall.EINVAL) {
		t.Errorf("got %v, want EINVAL", err)
	}
	<-l.closed
}

// A panic ends the connection that it happened on and is logged with its stack.
func TestPanicEndsOneConnection(t *testing.T) {
	var log bytes.Buffer
	s := New(func(_ context.Context, c net.Conn) {
		b := make([]byte, 1)
		for {
			if _, err := c.Read(b); err != nil {
				return
			}
			if b[0] == 'p' {
				panicsHere()
			}
			c.Write(b)
		}
	})
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	_, dial, served := serve(t, s)
	good, bad := dial(), dial()
	if _, err := bad.Write([]byte("p")); err != nil {
		t.Fatal(err)
	}
	if n, err := bad.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("after a panic: read %d bytes and %v, want EOF", n, err)
	}
	if got := talk(t, good, "\n"); got != "\n" {
		t.Errorf("the other connection: got %q", got)
	}
	good.Close()
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
	for _, want := range []string{"panic=oh", "panicsHere", "remote="} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %q:\n%s", want, &log)
		}
	}
}

func panicsHere() { panic("oh") }

// Handlers learn of the drain by their context, and Shutdown waits for them.
func TestShutdownWaitsForHandlers(t *testing.T) {
	release := make(chan struct{})
	s := New(func(ctx context.Context, c net.Conn) {
		<-ctx.Done()
		if cause := context.Cause(ctx); cause != ErrDraining {
			t.Errorf("cause: got %v, want ErrDraining", cause)
		}
		io.WriteString(c, "bye\n")
		<-release
	})
	_, dial, served := serve(t, s)
	c := dial()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	if got := line(t, c); got != "bye\n" {
		t.Errorf("got %q", got)
	}
	select {
	case <-done:
		t.Error("Shutdown returned while a handler ran")
	default:
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-served
}

// The end of Shutdown's context is the end of waiting; Close ends the handlers'
// connections.
func TestCloseAfterTheDeadline(t *testing.T) {
	begun, ended := make(chan struct{}), make(chan struct{})
	s := New(func(_ context.Context, c net.Conn) {
		close(begun)
		io.Copy(io.Discard, c) // ignores ctx
		close(ended)
	})
	_, dial, served := serve(t, s)
	dial()
	<-begun
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Shutdown(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want the context's error", err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	<-ended
	<-served
}

func TestShutdownBeforeServe(t *testing.T) {
	s := New(func(context.Context, net.Conn) {})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	l := newFakeListener()
	if err := s.Serve(l); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v, want net.ErrClosed", err)
	}
	<-l.closed
}

func TestServeRefuses(t *testing.T) {
	if err := new(Server).Serve(newFakeListener()); err != errUnmade {
		t.Errorf("zero Server: got %v, want %v", err, errUnmade)
	}
	s := New(func(context.Context, net.Conn) {})
	_, dial, served := serve(t, s)
	dial()
	if err := s.Serve(newFakeListener()); err != errTwice {
		t.Errorf("second Serve: got %v, want %v", err, errTwice)
	}
	s.Close()
	<-served
}
