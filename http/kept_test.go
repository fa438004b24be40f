//go:build linux

package restarthttp

import (
	"bufio"
	"context"
	"errors"
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

	"golang.org/x/sys/unix"

	"example.com/restart"
)

const upgrade = "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: b, a\r\n"

const switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"

// A wsPart is the handler's half of a WebSocket, as a library might do it.
type wsPart struct {
	net.Conn
	br *bufio.Reader
	r  *http.Request
}

func accept(w http.ResponseWriter, r *http.Request, more string) (*wsPart, error) {
	c, brw, err := w.(http.Hijacker).Hijack()
	if err != nil {
		return nil, err
	}
	if _, err := io.WriteString(c, switching+more+"\r\n"); err != nil {
		c.Close()
		return nil, err
	}
	return &wsPart{c, brw.Reader, r}, nil
}

// next returns the next message; fragments are put together.
func (c *wsPart) next() (string, error) { return nextMessage(c.br) }

func nextMessage(br *bufio.Reader) (string, error) {
	var all []byte
	for {
		var h [2]byte
		if _, err := io.ReadFull(br, h[:]); err != nil {
			return "", err
		}
		n := int(h[1] & 0x7f)
		if n == 126 {
			var b [2]byte
			io.ReadFull(br, b[:])
			n = int(b[0])<<8 | int(b[1])
		}
		if n == 127 {
			var b [8]byte
			io.ReadFull(br, b[:])
			n = int(b[4])<<24 | int(b[5])<<16 | int(b[6])<<8 | int(b[7])
		}
		if h[1]&0x80 != 0 {
			n += 4
		}
		p := make([]byte, n)
		if _, err := io.ReadFull(br, p); err != nil {
			return "", err
		}
		if h[1]&0x80 != 0 {
			p = p[4:] // tests mask with zeros
		}
		switch h[0] & 15 {
		case 8:
			return fmt.Sprintf("close %d", int(p[0])<<8|int(p[1])), nil
		case 9, 10:
			continue
		}
		all = append(all, p...)
		if h[0]&0x80 != 0 {
			return string(all), nil
		}
	}
}

func text(s string) []byte {
	return append(aFrame(1, true, false, len(s))[:len(aFrame(1, true, false, len(s)))-len(s)], s...)
}

func (c *wsPart) say(s string) error { _, err := c.Write(text(s)); return err }

func goaway(code int) []byte { return []byte{0x88, 2, byte(code >> 8), byte(code)} }

// masked is what a client sends.
func masked(op byte, fin bool, s string) string {
	b := aFrame(op, fin, true, len(s))
	b = b[:len(b)-len(s)]
	copy(b[len(b)-4:], "\x00\x00\x00\x00")
	return string(b) + s
}

// echoWS echoes, and says who it is.
type echoWS struct {
	calls, resumed, movedAway, ended, told atomic.Int64
	lastErr                                atomic.Value
	use                                    func(c *wsPart, resumed bool) // after the upgrade
}

func (e *echoWS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	me := w.Header().Get("Served-By")
	e.calls.Add(1)
	n := 0
	state, again := Keep(r, func() []byte { return fmt.Append(nil, n) })
	if again {
		e.resumed.Add(1)
		fmt.Sscan(string(state), &n)
	}
	c, err := accept(w, r, "")
	if err != nil {
		e.lastErr.Store(err)
		return
	}
	defer c.Close()
	if e.use != nil {
		e.use(c, again)
	}
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			e.told.Add(1)
			c.Write(goaway(1001))
		case <-r.Context().Done():
		}
	}()
	for {
		m, err := c.next()
		if err != nil {
			e.lastErr.Store(err)
			if errors.Is(err, ErrMoved) {
				e.movedAway.Add(1)
			} else {
				e.ended.Add(1)
			}
			return
		}
		n++
		if strings.HasPrefix(m, "close") {
			c.Write(goaway(1000))
			return
		}
		c.say(fmt.Sprintf("%s %s %d", me, m, n))
	}
}

func (c *client) upgrade() {
	c.t.Helper()
	c.send(upgrade + "\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != 101 {
		c.t.Fatalf("%v, %v", resp, err)
	}
}

func (c *client) hears(want string) {
	c.t.Helper()
	got, err := nextMessage(c.br)
	if err != nil || got != want {
		c.t.Fatalf("got %.60q (%d), %v; want %.60q (%d)", got, len(got), err, want, len(want))
	}
}

// consumed waits until the old server has read what the client has sent.
func (p *pair) consumed(c *client) {
	p.t.Helper()
	poll(p.t, "what was sent to be read", func() bool {
		if queued(p.t, c.Conn, unix.TIOCOUTQ) != 0 {
			return false
		}
		for _, s := range p.oldRun().conns.list() {
			if s.RemoteAddr().String() == c.LocalAddr().String() {
				return queued(p.t, s.Conn, unix.TIOCINQ) == 0
			}
		}
		return true
	})
}

// queued returns how many bytes are in a queue of the socket, see tcp(7).
func queued(t *testing.T, c net.Conn, queue uint) (n int) {
	t.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), queue) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestWebSocketMoves(t *testing.T) {
	e := new(echoWS)
	p := newPair(t, e)
	c := p.dial()
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	p.drain()
	p.end()
	c.send(masked(1, true, "b"))
	c.hears("new b 2")
	if got := p.moved(); got != 1 {
		t.Errorf("%d moves", got)
	}
	c.send(masked(8, true, "\x03\xe8"))
	c.hears("close 1000")
	if _, err := c.br.ReadByte(); err != io.EOF {
		t.Errorf("got %v, want EOF", err)
	}
	if e.told.Load() != 0 {
		t.Error("told to say goodbye")
	}
}

// Whatever part of a message has been read, it is answered here, and then the
// connection moves.
func TestWebSocketMovesAtEndOfMessage(t *testing.T) {
	long := strings.Repeat("x", 300)
	for _, test := range []struct{ name, first, rest, want string }{
		{"one byte", masked(1, true, "m")[:1], masked(1, true, "m")[1:], "m"},
		{"header", masked(1, true, "m")[:6], masked(1, true, "m")[6:], "m"},
		{"half a long header", masked(1, true, long)[:3], masked(1, true, long)[3:], long},
		{"payload", masked(1, true, "hello")[:8], masked(1, true, "hello")[8:], "hello"},
		{"a fragment", masked(1, false, "he"), masked(0, true, "llo"), "hello"},
		{"a fragment and a ping", masked(1, false, "he") + masked(9, true, ""), masked(0, true, "llo"), "hello"},
		{"a fragment and an empty one", masked(1, false, "he") + masked(0, false, ""), masked(0, true, "llo"), "hello"},
		{"a message and half a one", masked(1, true, "zero") + masked(1, true, "m")[:4], masked(1, true, "m")[4:], "m"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPair(t, new(echoWS))
			c := p.dial()
			c.upgrade()
			c.send(masked(1, true, "a"))
			c.hears("old a 1")
			c.send(test.first)
			n := 2
			if strings.Contains(test.first, "zero") {
				c.hears("old zero 2")
				n++
			}
			p.consumed(c)
			p.drain()
			p.draining()
			c.send(test.rest + masked(1, true, "next"))
			c.hears(fmt.Sprintf("old %s %d", test.want, n))
			got, err := nextMessage(c.br) // may have been read in one go
			if err != nil || !strings.HasSuffix(got, fmt.Sprintf(" next %d", n+1)) {
				t.Errorf("got %q, %v", got, err)
			}
			p.end()
			c.send(masked(1, true, "last"))
			c.hears(fmt.Sprintf("new last %d", n+2))
		})
	}
}

// What the handler has in hand still goes out; a close frame does not.
func TestLastWords(t *testing.T) {
	type result struct{ last, closing, second, after error }
	results := make(chan result, 1)
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, again := Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if again {
			m, _ := c.next()
			c.say("new " + m)
			return
		}
		if _, err := c.next(); !errors.Is(err, ErrMoved) || !Moved(r.Context()) {
			t.Errorf("read: %v, moved %v", err, Moved(r.Context()))
		}
		var res result
		c.Write(text("header alone")[:2])
		c.Write(text("header alone")[2:])
		c.Write(text("byte by byte")[:1])
		c.Write(text("byte by byte")[1:])
		_, res.last = c.Write(append(text("two at once"), aFrame(9, true, false, 0)...))
		_, res.closing = c.Write(goaway(1000))
		_, res.second = c.Write(goaway(1000))
		c.Close()
		res.after = c.say("never")
		results <- res
	}))
	c := p.dial()
	c.upgrade()
	p.drain()
	c.hears("header alone")
	c.hears("byte by byte")
	c.hears("two at once")
	c.send(masked(1, true, "m"))
	c.hears("new m")
	p.end()
	res := <-results
	if res.last != nil || !errors.Is(res.closing, ErrMoved) || !errors.Is(res.second, ErrMoved) || !errors.Is(res.after, ErrMoved) {
		t.Errorf("%+v", res)
	}
}

// Others write while the connection moves: no frame is cut, none comes twice,
// and those that were not sent are known.
func TestWritersWhileItMoves(t *testing.T) {
	var sent, refused atomic.Int64
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, again := Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		if again {
			c.say("end")
			c.next()
			return
		}
		big := strings.Repeat("y", 100_000)
		var mu sync.Mutex
		for i := range 4 {
			go func() {
				for n := 0; ; n++ {
					mu.Lock()
					var err error
					if i == 0 { // in fragments
						_, err = c.Write(aFrame(1, false, false, 70_000))
						runtime.Gosched()
						if err == nil {
							_, err = c.Write(aFrame(0, true, false, 10))
							if err != nil {
								t.Errorf("a message was cut: %v", err)
							}
						}
					} else {
						err = c.say(big)
					}
					mu.Unlock()
					if err != nil {
						if !errors.Is(err, ErrMoved) {
							t.Errorf("write: %v", err)
						}
						refused.Add(1)
						return
					}
					sent.Add(1)
				}
			}()
		}
		c.next()
	}))
	c := p.dial()
	c.upgrade()
	got := int64(0)
	for {
		m, err := nextMessage(c.br)
		if err != nil {
			t.Fatal(err)
		}
		if m == "end" {
			break
		}
		if got++; got == 20 {
			p.drain()
		}
	}
	p.end()
	poll(t, "the writers", func() bool { return refused.Load() == 4 })
	if got != sent.Load() {
		t.Errorf("sent %d, received %d; %d writers refused", sent.Load(), got, refused.Load())
	}
}

// A client that reads nothing holds up a write, and the move with it.
func TestSlowClient(t *testing.T) {
	big := strings.Repeat("z", 8<<20)
	e := &echoWS{use: func(c *wsPart, again bool) {
		if !again {
			go c.say(big)
		}
	}}
	p := newPair(t, e)
	c := p.dial()
	c.upgrade()
	c.br.Peek(1)
	p.drain()
	p.draining()
	if p.moved() != 0 {
		t.Error("it moved in the middle of a frame")
	}
	c.hears(big)
	p.end()
	c.send(masked(1, true, "m"))
	c.hears("new m 1")
}

// A write that does not end breaks the connection, and the handler is called
// again here to see that.
func TestWriteThatNeverEnds(t *testing.T) {
	defer func(d time.Duration) { writeBound = d }(writeBound)
	writeBound = 100 * time.Millisecond
	e := &echoWS{use: func(c *wsPart, again bool) {
		if !again {
			c.Write(aFrame(1, false, false, 10))
		}
	}}
	p := newPair(t, e)
	c := p.dial()
	c.upgrade()
	p.drain()
	p.end()
	if p.moved() != 0 || e.resumed.Load() != 1 || e.ended.Load() != 1 || e.movedAway.Load() != 1 {
		t.Errorf("moved %d, resumed %d, ended %d, moved away %d (%v)", p.moved(), e.resumed.Load(), e.ended.Load(), e.movedAway.Load(), e.lastErr.Load())
	}
	if _, err := nextMessage(c.br); err == nil {
		t.Error("the connection is open")
	}
}

// What the successor does not take goes on here, until the client is told.
func TestWebSocketThatNobodyTakes(t *testing.T) {
	e := new(echoWS)
	p := newPair(t, e)
	p.old.Linger = 100 * time.Millisecond
	p.oldRun().successor = func(context.Context) sender {
		return sendFunc(func(net.Conn, []byte) error { return errors.New("no") })
	}
	c := p.dial()
	c.upgrade()
	c.send(masked(1, true, "a"))
	c.hears("old a 1")
	p.drain()
	c.hears("close 1001")
	c.send(masked(8, true, "\x03\xe9"))
	p.end()
	if e.resumed.Load() != 1 || e.told.Load() != 1 {
		t.Errorf("resumed %d, told %d", e.resumed.Load(), e.told.Load())
	}
}

// A handler that does not go on as agreed: the client is told to come again.
func TestSuccessorDisagrees(t *testing.T) {
	for name, handle := range map[string]func(w http.ResponseWriter, r *http.Request){
		"no Keep": func(w http.ResponseWriter, r *http.Request) {
			if c, err := accept(w, r, "Sec-WebSocket-Protocol: a\r\n"); err == nil {
				c.say("welcome")
				c.Close()
			}
		},
		"forbidden": func(w http.ResponseWriter, r *http.Request) { http.Error(w, "no", http.StatusForbidden) },
		"nothing":   func(w http.ResponseWriter, r *http.Request) {},
		"panic":     func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) },
		"other protocol": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			if c, err := accept(w, r, "Sec-WebSocket-Protocol: b\r\n"); err == nil {
				c.say("welcome")
				c.Close()
			}
		},
		"compression": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			if c, err := accept(w, r, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; client_no_context_takeover\r\n"); err == nil {
				c.say("welcome")
				c.Close()
			}
		},
		"header through net/http": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			w.WriteHeader(http.StatusSwitchingProtocols)
			c, brw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				return
			}
			defer c.Close()
			if _, err := brw.ReadByte(); err != io.EOF {
				t.Errorf("read: %v", err)
			}
			if _, err := c.Write(text("welcome")); err == nil {
				t.Error("it could write")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if w.Header().Get("Served-By") == "new" {
					if got := r.Header.Get("Sec-WebSocket-Protocol"); got != "a" {
						t.Errorf("offered %q, want what was agreed upon", got)
					}
					handle(w, r)
					return
				}
				Keep(r, nil)
				c, err := accept(w, r, "Sec-WebSocket-Protocol: a\r\n")
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				c.next()
			}))
			c := p.dial()
			c.upgrade()
			p.drain()
			c.send(masked(9, true, "on its way"))
			c.hears("close 1012")
			if _, err := c.br.ReadByte(); err != io.EOF && !strings.Contains(fmt.Sprint(err), "reset") {
				t.Errorf("got %v, want the end", err)
			}
			p.end()
		})
	}
}

// These are told to say goodbye.
func TestWebSocketsThatStay(t *testing.T) {
	for name, test := range map[string]struct {
		keep  bool
		more  string
		early string
		use   func(*wsPart)
	}{
		"not kept":         {},
		"context takeover": {keep: true, more: "Sec-WebSocket-Extensions: permessage-deflate\r\n"},
		"half of it":       {keep: true, more: "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n"},
		"unknown":          {keep: true, more: "Sec-WebSocket-Extensions: x-other\r\n"},
		"early":            {keep: true, early: masked(1, true, "early")},
		"past us":          {keep: true, use: func(c *wsPart) { c.Conn.(interface{ NetConn() net.Conn }).NetConn() }},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if test.keep {
					Keep(r, nil)
				}
				c, err := accept(w, r, test.more)
				if err != nil {
					t.Error(err)
					return
				}
				defer c.Close()
				if test.use != nil {
					test.use(c)
				}
				c.say("hello")
				go func() {
					select {
					case <-restart.Draining(r.Context()):
						c.Write(goaway(1001))
					case <-r.Context().Done():
					}
				}()
				for {
					if m, err := c.next(); err != nil || strings.HasPrefix(m, "close") {
						if Moved(r.Context()) {
							t.Error("it moved")
						}
						return
					}
				}
			}))
			p.old.Linger = 50 * time.Millisecond
			c := p.dial()
			c.send(upgrade + "\r\n" + test.early)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil || resp.StatusCode != 101 {
				t.Fatal(err)
			}
			c.hears("hello")
			p.drain()
			c.hears("close 1001")
			c.send(masked(8, true, "\x03\xe9"))
			p.end()
			if p.moved() != 0 {
				t.Error("it moved")
			}
		})
	}
}

// A close handshake that has begun is finished here.
func TestClosingStays(t *testing.T) {
	began := make(chan struct{})
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			return
		}
		defer c.Close()
		c.Write(goaway(1008))
		close(began)
		m, err := c.next()
		if m != "close 1008" || err != nil {
			t.Errorf("got %q, %v", m, err)
		}
	}))
	c := p.dial()
	c.upgrade()
	<-began
	p.drain()
	p.draining()
	c.hears("close 1008")
	c.send(masked(8, true, "\x03\xf0"))
	p.end()
	if p.moved() != 0 {
		t.Error("it moved")
	}
}

// Deadlines that the handler sets all the time do not keep the connection here,
// and one that has passed is an error of its own.
func TestDeadlinesOfHandler(t *testing.T) {
	e := &echoWS{use: func(c *wsPart, again bool) {
		if !again {
			go func() {
				for range 2000 {
					c.SetReadDeadline(time.Now().Add(time.Minute))
					runtime.Gosched()
				}
			}()
		}
	}}
	p := newPair(t, e)
	var all []*client
	for range 20 {
		c := p.dial()
		c.upgrade()
		all = append(all, c)
	}
	p.drain()
	p.end()
	for _, c := range all {
		c.send(masked(1, true, "m"))
		c.hears("new m 1")
	}
	if p.moved() != 20 {
		t.Errorf("%d moved", p.moved())
	}
}

// A handler that does not close is not waited for.
func TestHandlerThatDoesNotClose(t *testing.T) {
	defer func(d time.Duration) { closeBound = d }(closeBound)
	closeBound = 100 * time.Millisecond
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, again := Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			return
		}
		if again {
			defer c.Close()
		}
		if m, err := c.next(); err == nil {
			c.say("new " + m)
		}
	}))
	c := p.dial()
	c.upgrade()
	p.drain()
	p.end()
	c.send(masked(1, true, "m"))
	c.hears("new m")
}

const events = "GET /events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"

// sse writes its number and then a line for each send.
func sse(say <-chan string, header http.Header) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		me := w.Header().Get("Served-By")
		w.Header().Del("Served-By")
		n := 0
		state, again := Keep(r, func() []byte { return fmt.Append(nil, n) })
		if again {
			fmt.Sscan(string(state), &n)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		for k, v := range header {
			w.Header()[k] = v
		}
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		for {
			select {
			case s := <-say:
				if s == "end" {
					return
				}
				n++
				fmt.Fprintf(w, "%s %s %d\n", me, s, n)
				w.(http.Flusher).Flush()
			case <-restart.Draining(r.Context()):
				return
			case <-r.Context().Done():
				return
			}
		}
	}
}

// within gives a handler what it waits for.
func within(t *testing.T, to chan<- string, s string) {
	t.Helper()
	select {
	case to <- s:
	case <-time.After(20 * time.Second):
		t.Errorf("no handler waits for %q", s)
	}
}

func TestStreamMoves(t *testing.T) {
	say := make(chan string)
	h := sse(say, nil)
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/events" {
			new(echo).ServeHTTP(w, r)
			return
		}
		h(w, r)
	}))
	c := p.dial()
	c.send(events)
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	body := bufio.NewReader(resp.Body)
	hears := func(want string) {
		t.Helper()
		got, err := body.ReadString('\n')
		if got != want || err != nil {
			t.Fatalf("got %q, %v; want %q", got, err, want)
		}
	}
	within(t, say, "a")
	hears("old a 1\n")
	p.drain()
	p.end()
	within(t, say, "b")
	hears("new b 2\n")
	within(t, say, "end")
	if rest, err := io.ReadAll(body); len(rest) != 0 || err != nil {
		t.Errorf("rest %q, %v", rest, err)
	}
	c.send(get("/2")) // the connection goes on
	c.receive(want("/2"))
}

// A handler of the successor that has no more to say ends the stream.
func TestStreamEndsInSuccessor(t *testing.T) {
	for name, h := range map[string]http.HandlerFunc{
		"says nothing": func(w http.ResponseWriter, r *http.Request) {
			Keep(r, nil)
			w.Header().Set("Content-Type", "text/event-stream")
		},
		"no Keep":    func(w http.ResponseWriter, r *http.Request) { w.Write([]byte("hello")) },
		"no content": func(w http.ResponseWriter, r *http.Request) { Keep(r, nil); w.WriteHeader(204) },
		"forbidden":  func(w http.ResponseWriter, r *http.Request) { Keep(r, nil); http.Error(w, "no", http.StatusForbidden) },
		"other type": func(w http.ResponseWriter, r *http.Request) { Keep(r, nil); w.Write([]byte("hello")) },
	} {
		t.Run(name, func(t *testing.T) {
			say := make(chan string)
			old := sse(say, nil)
			p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if w.Header().Get("Served-By") == "old" {
					old(w, r)
					return
				}
				h(w, r)
			}))
			c := p.dial()
			c.send(events)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			within(t, say, "a")
			p.drain()
			b, err := io.ReadAll(resp.Body)
			if string(b) != "old a 1\n" || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
			p.end()
		})
	}
}

// Compressed streams end, and so do those whose client has sent more.
func TestStreamsThatStay(t *testing.T) {
	for name, test := range map[string]struct {
		header http.Header
		more   string
	}{
		"compressed": {header: http.Header{"Content-Encoding": {"gzip"}}},
		"length":     {header: http.Header{"Content-Length": {"8"}}},
		"pipelined":  {more: get("/2")},
	} {
		t.Run(name, func(t *testing.T) {
			say := make(chan string)
			old := sse(say, test.header)
			p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/events" {
					old(w, r)
					return
				}
				new(echo).ServeHTTP(w, r)
			}))
			p.old.Linger = 50 * time.Millisecond
			c := p.dial()
			c.send(events)
			resp, err := http.ReadResponse(c.br, nil)
			if err != nil {
				t.Fatal(err)
			}
			within(t, say, "a")
			c.send(test.more)
			poll(t, "what was sent to be read", func() bool { return p.oldRun().conns.list()[0].sentEarly() == (test.more != "") })
			p.drain()
			b, err := io.ReadAll(resp.Body)
			if string(b) != "old a 1\n" || err != nil {
				t.Errorf("got %q, %v", b, err)
			}
			if test.more != "" {
				c.receive(want("/2"))
			}
			p.end()
			c.send(get("/3"))
			c.receive(want("/3"))
		})
	}
}

// A wait for an answer begins anew in the successor.
func TestLongPollMoves(t *testing.T) {
	answer := make(chan string)
	var calls atomic.Int64
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls.Add(1)
		Keep(r, func() []byte { return []byte("x") })
		select {
		case s := <-answer:
			fmt.Fprintf(w, "GET /poll  %s", s)
		case <-restart.Draining(r.Context()):
		case <-r.Context().Done():
		}
	}))
	c := p.dial()
	for i := range 2 {
		c.send(get("/poll"))
		poll(t, "the request", func() bool { return calls.Load() == int64(i+1) })
		if i == 0 {
			go func() { within(t, answer, "") }()
			if got := c.receive(want("/poll")); got != "old" {
				t.Errorf("from %s", got)
			}
		}
	}
	p.drain()
	p.end()
	within(t, answer, "")
	if got := c.receive(want("/poll")); got != "new" {
		t.Errorf("from %s", got)
	}
	c.send(get("/poll"))
	within(t, answer, "")
	c.receive(want("/poll"))
}

// Keep comes too late: nothing is held up, nothing moves.
func TestKeepTooLate(t *testing.T) {
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/ws" {
			c, err := accept(w, r, "")
			if err != nil {
				return
			}
			defer c.Close()
			Keep(r, nil)
			c.say("hello")
			<-restart.Draining(r.Context())
			c.Write(goaway(1001))
			return
		}
		io.WriteString(w, "GET ")
		w.(http.Flusher).Flush()
		Keep(r, nil)
		io.WriteString(w, "/1  ")
		w.(http.Flusher).Flush()
	}))
	p.old.Linger = 50 * time.Millisecond
	c, d := p.dial(), p.dial()
	c.upgrade()
	c.hears("hello")
	d.send(get("/1"))
	d.receive(want("/1"))
	p.drain()
	c.hears("close 1001")
	p.end()
	d.send(get("/1"))
	d.receive(want("/1"))
}

// Nobody knows what a handler has that does not read.
func TestHandlerThatDoesNotRead(t *testing.T) {
	p := newPair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Keep(r, nil)
		c, err := accept(w, r, "")
		if err != nil {
			return
		}
		defer c.Close()
		<-restart.Draining(r.Context())
		c.Write(goaway(1001))
	}))
	p.old.Linger = 50 * time.Millisecond
	c := p.dial()
	c.upgrade()
	p.drain()
	c.hears("close 1001")
	p.end()
	if p.moved() != 0 {
		t.Error("it moved")
	}
}

// Without a successor all are told.
func TestKeptWhenItStops(t *testing.T) {
	e := new(echoWS)
	p := newPair(t, e)
	p.oldRun().successor = func(context.Context) sender { return nil }
	p.old.Linger = 50 * time.Millisecond
	c := p.dial()
	c.upgrade()
	p.drain()
	c.hears("close 1001")
	c.send(masked(8, true, "\x03\xe9"))
	p.end()
}
