package restarthttp

import (
	"context"
	"net"
	"net/http"
	"reflect"
	"testing"
	"time"

	"example.com/restart"
)

func get(path string) string  { return "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n" }
func want(path string) string { return "GET " + path + "  " }

func TestIdleConnectionMoves(t *testing.T) {
	p := newPair(t, new(echo))
	c := p.dial()
	c.send(get("/1"))
	if got, want := c.receive(want("/1")), "old"; got != want {
		t.Errorf("before: got %q, want %q", got, want)
	}
	p.drain()
	p.end()
	c.send(get("/2"))
	if got, want := c.receive(want("/2")), "new"; got != want {
		t.Errorf("after: got %q, want %q", got, want)
	}
	p.wantMoves(1)
}

// An empty line after a POST (RFC 9112, 2.2) is no request that the drain would
// have to wait for, whenever it comes.
func TestConnectionMovesWithAnEmptyLine(t *testing.T) {
	const post = "POST /1 HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"
	for name, line := range map[string]struct{ with, after string }{
		"with the body":      {"\r\n", ""},
		"after the response": {"", "\r\n"},
		"in two pieces":      {"\r", "\n"},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, new(echo))
			c := p.dial()
			c.send(post + line.with)
			c.receive("POST /1 hello ")
			c.send(line.after)
			poll(t, "the empty line to be read", func() bool {
				for _, c := range p.oldRun().conns.list() {
					c.mu.Lock()
					defer c.mu.Unlock()
					return c.life.stage == stageWaiting && c.life.awaits == awaitsNext && c.life.last == [3]byte{'o', '\r', '\n'}
				}
				return false
			})
			p.drain()
			p.end()
			if p.ctx.Err() != nil {
				t.Error("it took the hammer")
			}
			c.send(get("/2"))
			if got, want := c.receive(want("/2")), "new"; got != want {
				t.Errorf("after: got %q, want %q", got, want)
			}
		})
	}
}

func TestConnectionThatHasSentNothingMoves(t *testing.T) {
	p := newPair(t, new(echo))
	c := p.dial()
	poll(t, "accept", func() bool {
		return p.oldRun().conns.count(classHTTP1) == 1
	})
	p.drain()
	p.end()
	c.send(get("/1"))
	if got, want := c.receive(want("/1")), "new"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A request in flight is answered where it began; the connection then moves.
func TestBusyConnectionMovesAfterItsResponse(t *testing.T) {
	release := make(chan struct{})
	started := make(chan struct{}, 1)
	e := new(echo)
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			started <- struct{}{}
			<-release
		}
		e.ServeHTTP(w, r)
	}))
	c := p.dial()
	c.send(get("/slow"))
	<-started
	p.drain()
	p.draining()
	close(release)
	if got, want := c.receive(want("/slow")), "old"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.end()
	c.send(get("/2"))
	if got, want := c.receive(want("/2")), "new"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A refusal by the successor loses nothing: the connection is served here.
func TestRefusedConnectionIsServedOn(t *testing.T) {
	p := newPair(t, new(echo))
	p.newRun().parked.Close()
	c := p.dial()
	c.send(get("/1"))
	c.receive(want("/1"))
	p.drain()
	p.draining()
	c.send(get("/2"))
	if got, want := c.receive(want("/2")), "old"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	p.end()
}

// A successor that has died may have answered the request that its connection
// waited for, or be halfway through. Nobody answers it once more: the connection is
// closed without a byte.
func TestUncertainConnectionIsClosed(t *testing.T) {
	p := newPair(t, new(echo))
	sent := make(chan net.Conn, 1)
	p.oldRun().successor = func(context.Context) sender {
		return sendFunc(func(socket net.Conn, _ []byte) error {
			sent <- socket
			return restart.ErrUncertain
		})
	}
	c := p.dial()
	c.send(get("/1"))
	c.receive(want("/1"))
	p.drain()
	socket := <-sent
	c.send(get("/2"))
	p.end()
	socket.Close() // as restart.Handover does; later here, so that an answer would be seen
	if b, err := c.br.ReadByte(); err == nil {
		t.Errorf("got %q, want the end of the connection and nothing before it", b)
	}
	if n := p.oldRun().conns.count(classHTTP1); n != 0 {
		t.Errorf("got %d connections, want none", n)
	}
}

// A client that asks first (Expect: 100-continue) gets its answer wherever the
// drain falls.
func TestExpectContinueWhileDraining(t *testing.T) {
	const head = "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
	for _, when := range []string{"before", "in the head", "after the head", "after 100"} {
		t.Run(when, func(t *testing.T) {
			e := new(echo)
			p := newPair(t, e)
			c := p.dial()
			c.send(get("/first"))
			c.receive(want("/first"))
			at := func(moment string) {
				if moment == when {
					p.drain()
					p.draining()
				}
			}
			at("before")
			c.send(head[:20])
			at("in the head")
			c.send(head[20:])
			at("after the head")
			line, err := c.br.ReadString('\n')
			if err != nil || line != "HTTP/1.1 100 Continue\r\n" {
				t.Fatalf("got %q, %v; want 100 Continue", line, err)
			}
			c.br.ReadString('\n')
			at("after 100")
			c.send("hel")
			c.send("lo")
			c.receive("POST /a hello ")
			c.send(get("/last"))
			c.receive(want("/last"))
			if got := e.times("/a"); got != 1 {
				t.Errorf("answered %d times, want once", got)
			}
			p.end()
		})
	}
}

// What goes with a connection arrives as it was; for a plain connection that has
// no time-out it is nothing at all, as older versions send and expect.
func TestMovedTravels(t *testing.T) {
	for name, tt := range map[string]struct {
		m    moved
		want string
	}{
		"waits for a next request":    {newMoved(plainMover{}, awaitsNext, 0, nil), ""},
		"is to time out":              {newMoved(plainMover{}, awaitsNext, 5*time.Second, nil), `{"left_ms":5000}`},
		"silent":                      {newMoved(plainMover{}, awaitsFirst, 0, nil), `{"first":true}`},
		"of another kind, with state": {newMoved(tlsMover{}, awaitsFirst, time.Second, []byte("abc")), `{"kind":"tls","first":true,"left_ms":1000,"state":"YWJj"}`},
	} {
		b, err := tt.m.encode()
		if string(b) != tt.want || err != nil {
			t.Errorf("%s: got %s, %v; want %s", name, b, err, tt.want)
		}
		by := mover(plainMover{})
		if tt.m.Kind == "tls" {
			by = tlsMover{}
		}
		got, err := parseMoved(b, by)
		if !reflect.DeepEqual(got, tt.m) || err != nil {
			t.Errorf("%s: parsed: got %+v, %v; want %+v", name, got, err, tt.m)
		}
	}
}

// A connection whose state is not known here stays with the predecessor, and
// nothing is done to it.
func TestAdoptRefusesWhatItDoesNotKnow(t *testing.T) {
	p := newPair(t, new(echo))
	for name, state := range map[string]string{"another kind": `{"kind":"websocket"}`, "not our encoding": "\x01\x02"} {
		client, server := p.tcp()
		if err := p.new.Adopt(server, []byte(state)); err == nil {
			t.Errorf("%s: adopted", name)
		}
		if _, err := server.Write([]byte("x")); err != nil {
			t.Errorf("%s: the connection is not as it was: %v", name, err)
		}
		client.Close()
	}
	if n := p.newRun().conns.count(classHTTP1); n != 0 {
		t.Errorf("got %d connections, want none", n)
	}
	_, server := p.tcp()
	secure := Wrap(new(http.Server))
	secure.TLS = true
	secure.run.Store(newRun(secure, newConnListener(p.oldRun().listener.Addr())))
	if err := secure.Adopt(server, nil); err == nil {
		t.Error("a server with TLS adopts a plain connection")
	}
}
