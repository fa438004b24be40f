package restarthttp

import (
	"bufio"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A client is one raw connection: it never retries.
type client struct {
	t *testing.T
	net.Conn
	br *bufio.Reader
}

func (p *pair) dial() *client {
	p.t.Helper()
	c, err := net.Dial("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	c.SetDeadline(time.Now().Add(20 * time.Second))
	p.t.Cleanup(func() { c.Close() })
	return &client{t: p.t, Conn: c, br: bufio.NewReader(c)}
}

func (c *client) send(s string) {
	c.t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		c.t.Fatalf("write: %v", err)
	}
}

// receive reads one response and checks its body. It returns who sent it.
func (c *client) receive(want string) (by string) {
	c.t.Helper()
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		c.t.Fatalf("read response %q: %v", want, err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != want || resp.StatusCode != http.StatusOK {
		c.t.Fatalf("got %s %q, %v; want 200 %q", resp.Status, body, err, want)
	}
	return resp.Header.Get("Served-By")
}

// dialTLS is dial over TLS.
func (p *pair) dialTLS(config *tls.Config) *client {
	p.t.Helper()
	return p.secure(p.dial().Conn, config)
}

func (p *pair) secure(c net.Conn, config *tls.Config) *client {
	p.t.Helper()
	config = config.Clone()
	config.InsecureSkipVerify, config.ServerName = true, "example.com"
	tc := tls.Client(c, config)
	if err := tc.Handshake(); err != nil {
		p.t.Fatal(err)
	}
	return &client{t: p.t, Conn: tc, br: bufio.NewReader(tc)}
}

// A counted connection counts what is read from it.
type counted struct {
	net.Conn
	read atomic.Int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.read.Add(int64(n))
	return n, err
}

// A gated connection holds back what is written after a number of bytes.
type gated struct {
	net.Conn
	mu    sync.Mutex
	holds bool
	left  int
	held  []byte
}

func (g *gated) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.holds {
		return g.Conn.Write(b)
	}
	n := min(g.left, len(b))
	g.left -= n
	g.held = append(g.held, b[n:]...)
	if _, err := g.Conn.Write(b[:n]); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (g *gated) hold(after int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds, g.left = true, after
}

func (g *gated) release() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.holds = false
	g.Conn.Write(g.held)
}

// releaseBut writes what is held, but for the last n bytes.
func (g *gated) releaseBut(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n = len(g.held) - n
	g.Conn.Write(g.held[:n])
	g.held = g.held[n:]
}
