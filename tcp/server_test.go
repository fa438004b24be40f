package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
)

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

// A namelessConn has no remote address, as one whose peer has reset it.
type namelessConn struct{ net.Conn }

func (namelessConn) RemoteAddr() net.Addr { return nil }

// A panic on a connection without a remote address ends this connection, not the
// process.
func TestPanicWithoutRemoteAddress(t *testing.T) {
	var log bytes.Buffer
	s := New(func(_ context.Context, c net.Conn) { _ = c.RemoteAddr().String() })
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	l, _, served := serve(t, s)
	client, server := net.Pipe()
	defer client.Close()
	l.accepts <- namelessConn{server}
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
	if !strings.Contains(log.String(), "remote=unknown") {
		t.Errorf("got %s, want a remote address that is unknown", &log)
	}
}

// The context of a handler ends when the handler returns, so that goroutines
// that wait for it end, too.
func TestContextEndsWithHandler(t *testing.T) {
	contexts := make(chan context.Context)
	s := New(func(ctx context.Context, _ net.Conn) { contexts <- ctx })
	_, dial, served := serve(t, s)
	dial()
	<-(<-contexts).Done()
	s.Close()
	<-served
}

// The Server's own field wins over the Restarter's logger.
func TestLogger(t *testing.T) {
	s := New(nil)
	if got := s.log(); got != slog.Default() {
		t.Errorf("without any: got %v, want slog.Default()", got)
	}
	restarters, own := slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)
	s.SetLogger(restarters)
	if got := s.log(); got != restarters {
		t.Errorf("after SetLogger: got %v, want the logger that was set", got)
	}
	s.Logger = own
	if got := s.log(); got != own {
		t.Errorf("with Logger: got %v, want it", got)
	}
}

func TestServeRefuses(t *testing.T) {
	if err := new(Server).Serve(newFakeListener()); err != errUnmade {
		t.Errorf("zero Server: got %v, want %v", err, errUnmade)
	}
	s := New(func(context.Context, net.Conn) {})
	_, dial, served := serve(t, s)
	dial()
	if err := s.Serve(newFakeListener()); err == nil || errors.Is(err, net.ErrClosed) {
		t.Errorf("second Serve: got %v, want an error that does not look like the end of a drain", err)
	}
	s.Close()
	<-served
}
