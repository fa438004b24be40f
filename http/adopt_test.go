package restarthttp

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"testing"
	"time"

	"example.com/restart"
)

// tcp returns both ends of a connection that no server has accepted.
func (p *pair) tcp() (client, server net.Conn) {
	p.t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		p.t.Fatal(err)
	}
	defer ln.Close()
	if client, err = net.Dial("tcp", ln.Addr().String()); err != nil {
		p.t.Fatal(err)
	}
	if server, err = ln.Accept(); err != nil {
		p.t.Fatal(err)
	}
	client.SetDeadline(time.Now().Add(20 * time.Second))
	p.t.Cleanup(func() { client.Close(); server.Close() })
	return client, server
}

// An adopted connection has been idle: until its first byte the idle time-out
// holds, and the time for reading a request begins only then.
func TestAdoptedConnectionIsIdle(t *testing.T) {
	s := &scripted{reads: []read{{"\r", nil}, {"\n", nil}, {"G", nil}, {"ET", nil}}}
	idle := time.Now().Add(time.Hour)
	c := newHome().conn(s, movable)
	c.park(awaitsNext, idle)
	s.onRead = func() {
		if !s.deadline.Equal(idle) {
			t.Errorf("while it waits: got deadline %v, want the idle one %v", s.deadline, idle)
		}
	}
	if !c.awaitByte() {
		t.Fatal("got false, want true: a request has begun")
	}
	s.onRead = nil
	if !s.deadline.IsZero() {
		t.Errorf("when the request has begun: got deadline %v, want none but net/http's", s.deadline)
	}
	var got []byte
	buf := make([]byte, 16)
	for range 2 {
		n, err := c.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, buf[:n]...)
	}
	if string(got) != "GET" {
		t.Errorf("got %q, want %q: the empty line skipped, nothing lost", got, "GET")
	}
}

// A parked connection moves on when its process is replaced in turn, unless
// a request has begun.
func TestParkedMovesOn(t *testing.T) {
	s := &scripted{reads: []read{{"", os.ErrDeadlineExceeded}}}
	h := newHome()
	c := h.conn(s, movable)
	c.park(awaitsNext, time.Time{})
	settled := 0
	s.onRead = func() {
		c.begin(modeMove, func() { settled++ })
		if !past(s.deadline) {
			t.Errorf("the wait was not ended: deadline %v", s.deadline)
		}
	}
	if c.awaitByte() {
		t.Fatal("got true, want false: nothing came")
	}
	c.Close()
	if h.moved != 1 || settled != 1 {
		t.Errorf("got %d moves, %d times settled; want 1, 1", h.moved, settled)
	}

	s = &scripted{reads: []read{{"G", nil}}}
	c = h.conn(s, movable)
	c.park(awaitsNext, time.Time{})
	settled = 0
	s.onRead = func() { c.begin(modeMove, func() { settled++ }) }
	if !c.awaitByte() || past(s.deadline) || settled != 1 {
		t.Errorf("a byte crossed the drain: got deadline %v, %d times settled; want none, 1", s.deadline, settled)
	}
}

// An idle time-out closes, and moves nothing.
func TestParkedTimesOut(t *testing.T) {
	s := &scripted{reads: []read{{"", os.ErrDeadlineExceeded}}}
	h := newHome()
	c := h.conn(s, movable)
	c.park(awaitsNext, time.Now())
	if c.awaitByte() {
		t.Fatal("got true, want false")
	}
	if c.Close(); h.moved != 0 || s.closed != 1 {
		t.Errorf("got %d moves, %d closes; want 0, 1", h.moved, s.closed)
	}
}

// A handler that takes over an adopted connection gets all that was sent.
func TestAdoptedConnectionCanBeHijacked(t *testing.T) {
	p := newPairOf(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		io.Copy(c, rw)
	}), func(s *http.Server) { s.ReadTimeout = 10 * time.Second })
	client, server := p.tcp()
	if err := p.new.Adopt(server, nil); err != nil {
		t.Fatal(err)
	}
	io.WriteString(client, get("/1")+"more")
	io.WriteString(client, " and more")
	client.(*net.TCPConn).CloseWrite()
	if got, err := io.ReadAll(client); string(got) != "more and more" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
}

// Closing a server closes those who wait, and nobody comes in any more.
func TestCloseClosesParked(t *testing.T) {
	p := newPair(t, new(echo))
	client, server := p.tcp()
	if err := p.new.Adopt(server, nil); err != nil {
		t.Fatal(err)
	}
	p.new.Close()
	if _, err := client.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	p.newRun().parked.waits.Wait()
	if n := p.newRun().conns.count(classHTTP1); n != 0 {
		t.Errorf("got %d connections left, want none", n)
	}
	_, late := p.tcp()
	if err := p.new.Adopt(late, nil); err == nil {
		t.Error("adopted after Close")
	}
}

// Who is in stays in; who comes too late stays with the predecessor.
func TestParkedStopsAdmitting(t *testing.T) {
	p := newPair(t, new(echo))
	client, server := p.tcp()
	if err := p.new.Adopt(server, nil); err != nil {
		t.Fatal(err)
	}
	p.newRun().parked.stopAdmitting()
	_, late := p.tcp()
	if err := p.new.Adopt(late, nil); err == nil {
		t.Error("adopted although nobody would wait for it")
	}
	if n := p.newRun().conns.count(classHTTP1); n != 1 {
		t.Errorf("got %d connections, want the first", n)
	}
	io.WriteString(client, get("/1"))
	if n, err := client.Read(make([]byte, 1)); n != 1 || err != nil {
		t.Errorf("got %v, want an answer to who was in", err)
	}
}

// The hammer ends a drain whose successor does not answer, and until then
// nobody waits who has nothing to do with it.
func TestSuccessorThatDoesNotAnswer(t *testing.T) {
	told := make(chan struct{})
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		signal := restart.Draining(r.Context())
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		<-signal
		close(told)
	}))
	hang := make(chan struct{})
	defer close(hang)
	sent := make(chan struct{}, 100)
	p.sendBy(func(net.Conn, []byte) error { sent <- struct{}{}; <-hang; return errors.New("gone") })
	p.old.Linger = time.Millisecond
	p.dial().send(get("/hijack"))
	for range 2 * fewestAtOnce {
		p.dial()
	}
	_, server := p.tcp()
	if err := p.old.Adopt(server, nil); err != nil {
		t.Fatal(err)
	}
	poll(t, "all connections", func() bool {
		s := p.oldRun().conns
		return s.count(classHTTP1) == 2*fewestAtOnce+1 && s.count(classHijacked) == 1
	})
	p.drain()
	<-sent
	select {
	case <-told:
	case <-time.After(20 * time.Second):
		t.Fatal("a handler was not told of the drain: it waits behind the moves")
	}
	p.hammer()
	select {
	case err := <-p.drained:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want that of the context", err)
		}
	case <-time.After(20 * time.Second):
		t.Fatal("Shutdown does not return although its context has ended")
	}
}

// The same for one that was parked and is on its way.
func TestParkedIsLeftAtTheHammer(t *testing.T) {
	p := newPair(t, new(echo))
	hang := make(chan struct{})
	defer close(hang)
	sent := make(chan struct{})
	p.sendBy(func(net.Conn, []byte) error { close(sent); <-hang; return errors.New("gone") })
	_, server := p.tcp()
	if err := p.old.Adopt(server, nil); err != nil {
		t.Fatal(err)
	}
	p.drain()
	<-sent
	p.hammer()
	select {
	case <-p.drained:
	case <-time.After(20 * time.Second):
		t.Fatal("Shutdown does not return although its context has ended")
	}
}
