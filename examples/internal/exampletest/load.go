//go:build linux

package exampletest

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// LosesNothing tests the web server in the current directory, which listens on
// -addr and answers GET / and GET /slow?d=2s with the header Served-By. It puts
// one version after another in its place while clients that never retry send
// requests, each over the one connection that it has.
func LosesNothing(t *testing.T) {
	const restarts = 5
	bin := Build(t, "1")
	p := Start(t, bin, "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	addr := g.Addr["127.0.0.1:0"]

	var clients []*client
	var running sync.WaitGroup
	stop := make(chan struct{})
	for range 10 {
		c := newClient(t, addr)
		clients = append(clients, c)
		running.Go(func() { c.run(stop) })
	}
	// answered waits until each client has an answer of the version, or has
	// failed.
	answered := func(version string) {
		t.Helper()
		for i, c := range clients {
			Until(t, fmt.Sprintf("version %s answers client %d", version, i), func() bool {
				return c.version.Load() == version || c.failed.Load()
			})
		}
	}

	answered("1")
	slowClient := &http.Client{Transport: &http.Transport{}}
	first := Get(t, slowClient, "http://"+addr) // which then has the connection, and gets the slow request
	var slow func() Answer
	for i := range restarts {
		next := strconv.Itoa(i + 2)
		Replace(t, bin, next)
		if i == 0 {
			slow = Begin(t, slowClient, "http://"+addr+"/slow?d=2s")
		}
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
		answered(next)
		if i == 0 {
			if got := slow(); got.Body != "done\n" || got.PID != first.PID {
				t.Errorf("slow request: got %+v, want the answer of process %d", got, first.PID)
			}
			slowClient.CloseIdleConnections()
		}
	}
	close(stop)
	running.Wait()
	n := 0
	for i, c := range clients {
		if c.err != nil {
			t.Errorf("client %d after %d answers: %v", i, c.answers, c.err)
		}
		n += c.answers
	}
	t.Logf("%d restarts: %d requests were answered on %d connections", restarts, n, len(clients))

	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
	Refused(t, addr)
}

// A client sends requests over one connection.
type client struct {
	conn    net.Conn
	version atomic.Value // string: who gave the last answer
	failed  atomic.Bool

	// To be read when run has returned.
	answers int
	err     error
}

func newClient(t *testing.T, addr string) *client {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &client{conn: conn}
}

// run sends one request after another until stop is closed or one is lost.
func (c *client) run(stop <-chan struct{}) {
	for answers := bufio.NewReader(c.conn); ; {
		select {
		case <-stop:
			return
		case <-time.After(time.Millisecond): // others need the machine, too
		}
		version, err := c.ask(answers)
		if err != nil {
			c.err = err
			c.failed.Store(true)
			return
		}
		c.answers++
		c.version.Store(version)
	}
}

func (c *client) ask(answers *bufio.Reader) (version string, err error) {
	c.conn.SetDeadline(time.Now().Add(Patience))
	if _, err := io.WriteString(c.conn, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(answers, nil)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	a, err := answerOf(resp)
	if err == nil && (a.Status != http.StatusOK || a.Version == "" || resp.Close) {
		err = fmt.Errorf("got %+v, closing %v, want status 200 with Served-By on a connection that stays open", a, resp.Close)
	}
	return a.Version, err
}
