package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"example.com/restart"
)

// sessions serves handle and returns a client's end.
func sessions(t *testing.T, handle func(context.Context, *Conn)) (*Server, net.Conn) {
	t.Helper()
	s := NewSessions(handle)
	_, dial, served := serve(t, s)
	c := dial()
	t.Cleanup(func() { s.Close(); <-served })
	return s, c
}

// A drain ends Wait, and nothing else: a message whose beginning has been read
// is finished.
func TestDrainEndsOnlyWait(t *testing.T) {
	reading := make(chan struct{})
	s, c := sessions(t, func(_ context.Context, c *Conn) {
		if err := c.Wait(); err != nil {
			t.Errorf("Wait before the drain: %v", err)
		}
		close(reading)
		got, err := c.Reader().ReadString('\n')
		if got != "half and half\n" || err != nil {
			t.Errorf("read %q, %v", got, err)
		}
		if err := c.Wait(); err != ErrDraining {
			t.Errorf("Wait in the drain: got %v, want ErrDraining", err)
		}
		io.WriteString(c, "bye\n")
	})
	c.Write([]byte("half "))
	<-reading
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	<-s.draining
	if got := talk(t, c, "and half\n"); got != "bye\n" {
		t.Errorf("got %q", got)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// A session that cannot move goes on here, and loses nothing.
func TestServesOnWhenNobodyTakesIt(t *testing.T) {
	moved := make(chan error, 1)
	s, c := sessions(t, func(_ context.Context, c *Conn) {
		for {
			switch err := c.Wait(); err {
			case nil:
			case ErrDraining:
				moved <- c.Move(nil)
				continue
			default:
				return
			}
			got, _ := c.Reader().ReadString('\n')
			io.WriteString(c, got)
		}
	})
	if got := talk(t, c, "1\n"); got != "1\n" {
		t.Errorf("got %q", got)
	}
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	if err := <-moved; err != ErrNoSuccessor {
		t.Errorf("Move: got %v, want ErrNoSuccessor", err)
	}
	for _, want := range []string{"2\n", "3\n"} {
		if got := talk(t, c, want); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// The handler's own read deadline holds in Wait, and after a drain has
// interrupted it.
func TestDeadlineOfHandlerHolds(t *testing.T) {
	errs := make(chan error)
	s, _ := sessions(t, func(_ context.Context, c *Conn) {
		c.SetReadDeadline(time.Unix(1, 0))
		errs <- c.Wait()
		c.SetReadDeadline(time.Time{})
		errs <- c.Wait()
		c.Move(nil)
		c.SetDeadline(time.Unix(1, 0))
		errs <- c.Wait()
	})
	if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline's error", err)
	}
	go s.Shutdown(context.Background())
	if err := <-errs; err != ErrDraining {
		t.Errorf("got %v, want ErrDraining", err)
	}
	if err := <-errs; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("after a Move that failed: got %v, want the deadline's error", err)
	}
}

// A handler that does not wait for its client moves when it learns of the drain.
func TestMoveWithoutWait(t *testing.T) {
	moved := make(chan error, 1)
	s, _ := sessions(t, func(ctx context.Context, c *Conn) {
		<-restart.Draining(ctx)
		moved <- c.Move(nil)
	})
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := <-moved; err != ErrNoSuccessor {
		t.Errorf("got %v, want ErrNoSuccessor", err)
	}
}

func TestMoveTooSoon(t *testing.T) {
	errs := make(chan error)
	_, c := sessions(t, func(_ context.Context, c *Conn) {
		errs <- c.Move(nil)
		errs <- c.Wait()
	})
	if err := <-errs; err != errNotDraining {
		t.Errorf("got %v, want %v", err, errNotDraining)
	}
	c.Close()
	if err := <-errs; err != io.EOF {
		t.Errorf("Wait: got %v, want EOF", err)
	}
}

// An adopted connection has its state, and what the predecessor had read but
// not used comes before what is in the socket.
func TestAdopt(t *testing.T) {
	type result struct {
		state []byte
		text  string
	}
	results := make(chan result)
	s := NewSessions(func(_ context.Context, c *Conn) {
		b, err := io.ReadAll(c)
		if err != nil {
			t.Error(err)
		}
		results <- result{c.State(), string(b)}
	})
	for _, test := range []struct {
		name        string
		payload     []byte
		state, text string
	}{
		{"state and rest", (&payload{[]byte("rest "), []byte("state")}).append(nil), "state", "rest new"},
		{"nothing", (&payload{}).append(nil), "", "new"},
		{"no payload", nil, "", "new"},
	} {
		client, server := net.Pipe()
		if err := s.Adopt(server, test.payload); err != nil {
			t.Fatalf("%s: %v", test.name, err)
		}
		client.Write([]byte("new"))
		client.Close()
		got := <-results
		if string(got.state) != test.state || got.state == nil || got.text != test.text {
			t.Errorf("%s: got %q (nil: %t) and %q, want %q and %q", test.name, got.state, got.state == nil, got.text, test.state, test.text)
		}
	}

	client, server := net.Pipe()
	defer client.Close()
	defer server.Close()
	if err := s.Adopt(server, []byte{payloadVersion + 1}); err == nil {
		t.Error("adopted state of another version")
	}
	if err := New(nil).Adopt(server, nil); err == nil {
		t.Error("a Server made by New has adopted a connection")
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Adopt(server, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after Shutdown: got %v, want net.ErrClosed", err)
	}
}

// Adopt during a drain: the handler is told at once.
func TestAdoptWhileDraining(t *testing.T) {
	s := NewSessions(func(ctx context.Context, c *Conn) {
		<-restart.Draining(ctx)
		if err := c.Wait(); err != ErrDraining {
			t.Errorf("got %v, want ErrDraining", err)
		}
		io.WriteString(c, "bye\n")
	})
	_, dial, served := serve(t, s)
	first := dial()
	done := make(chan error, 1)
	go func() { done <- s.Shutdown(t.Context()) }()
	<-s.draining
	client, server := net.Pipe()
	defer client.Close()
	if err := s.Adopt(server, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []net.Conn{client, first} {
		if got := line(t, c); got != "bye\n" {
			t.Errorf("got %q", got)
		}
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-served
}

// A connection that moves on before anything was read takes what moved along
// with it, however much that was.
func TestUnreadMovesOn(t *testing.T) {
	for _, n := range []int{1, 4096, 20_000} {
		want := bytes.Repeat([]byte("u"), n)
		c := newConn(NewSessions(func(context.Context, *Conn) {}), nil, &payload{unread: want})
		got, err := c.reader.Peek(c.reader.Buffered()) // as Move does
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%d bytes unread: got %d to move on, %v", n, len(got), err)
		}
	}
}
