//go:build linux

package restarthttp

import (
	"errors"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// What the handler has in hand still goes out; a close frame does not.
func TestLastWords(t *testing.T) { overEach(t, testLastWords) }

func testLastWords(t *testing.T, tr transport) {
	type result struct{ last, closing, second, after error }
	results := make(chan result, 1)
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	c := tr.dial(p)
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
func TestWritersWhileItMoves(t *testing.T) { overEach(t, testWritersWhileItMoves) }

func testWritersWhileItMoves(t *testing.T, tr transport) {
	var sent, refused atomic.Int64
	p := tr.pair(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
	c := tr.dial(p)
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
func TestSlowClient(t *testing.T) { overEach(t, testSlowClient) }

func testSlowClient(t *testing.T, tr transport) {
	big := strings.Repeat("z", 8<<20)
	e := &echoWS{use: func(c *wsPart, again bool) {
		if !again {
			go c.say(big)
		}
	}}
	p := tr.pair(t, e)
	c := tr.dial(p)
	c.upgrade()
	c.br.Peek(1)
	p.drain()
	p.draining()
	p.wantMoves(0) // in the middle of a frame
	c.hears(big)
	p.end()
	c.send(masked(1, true, "m"))
	c.hears("new m 1")
}

// A write that does not end breaks the connection, and the handler is called
// again here to see that.
func TestWriteThatNeverEnds(t *testing.T) { overEach(t, testWriteThatNeverEnds) }

func testWriteThatNeverEnds(t *testing.T, tr transport) {
	defer func(d time.Duration) { writeBound = d }(writeBound)
	writeBound = 100 * time.Millisecond
	e := &echoWS{use: func(c *wsPart, again bool) {
		if !again {
			c.Write(aFrame(1, false, false, 10))
		}
	}}
	p := tr.pair(t, e)
	c := tr.dial(p)
	c.upgrade()
	p.drain()
	p.end()
	poll(t, "the end of the second handler", func() bool { return e.ended.Load() > 0 })
	if p.moved() != 0 || e.resumed.Load() != 1 || e.ended.Load() != 1 || e.movedAway.Load() != 1 {
		t.Errorf("moved %d, resumed %d, ended %d, moved away %d (%v)", p.moved(), e.resumed.Load(), e.ended.Load(), e.movedAway.Load(), e.err())
	}
	if _, err := nextMessage(c.br); err == nil {
		t.Error("the connection is open")
	}
}

// A countingTCP counts the writes that are no writev(2).
type countingTCP struct {
	*net.TCPConn
	writes int
}

func (c *countingTCP) Write(p []byte) (int, error) { c.writes++; return c.TCPConn.Write(p) }

// A header goes out with its payload, in one system call, also when the move
// begins between them. One without a payload goes out at once.
func TestHeaderGoesOutWithItsPayload(t *testing.T) {
	for _, moves := range []bool{false, true} {
		p := &pair{t: t}
		client, server := p.tcp()
		below := &countingTCP{TCPConn: server.(*net.TCPConn)}
		k := newKept(newConn(below, newConns(nil), movable), keptWebSocket, nil)
		k.out.stage = stageFrames
		empty, whole := aFrame(9, true, false, 0), text("hello")
		k.write(empty)
		k.write(whole[:2])
		k.over.Store(moves)
		if n, err := k.write(whole[2:4]); n != 2 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		k.write(whole[4:])
		if below.writes != 2 { // the empty frame and the rest
			t.Errorf("%d writes", below.writes)
		}
		got := make([]byte, len(empty)+len(whole))
		if _, err := io.ReadFull(client, got); string(got) != string(empty)+string(whole) || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
		if !k.out.frames.whole() {
			t.Error("the message is not whole")
		}
	}
}
