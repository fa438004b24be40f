//go:build linux

package restarthttp

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

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
	lastErr                                atomic.Pointer[error]
	use                                    func(c *wsPart, resumed bool) // after the upgrade
}

// err is the last error that a handler has met.
func (e *echoWS) err() error {
	if err := e.lastErr.Load(); err != nil {
		return *err
	}
	return nil
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
		e.lastErr.Store(&err)
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
			e.lastErr.Store(&err)
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
	if s, ok := c.(*tls.Conn); ok {
		c = s.NetConn()
	}
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), queue) })
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
