package restarttest_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/restarttest"
	"example.com/restart/tcp"
)

const patience = 15 * time.Second

// web adds a web server that answers with its version.
func web(version string) restarttest.Setup {
	return func(r *restart.Restarter) error {
		_, err := r.Add("web", "tcp", "127.0.0.1:0", newWeb(version))
		return err
	}
}

func newWeb(version string) *restarthttp.Server {
	return restarthttp.Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, version)
	})})
}

// A client is one connection, which never comes back.
type client struct {
	t *testing.T
	net.Conn
	answers *bufio.Reader
}

func dial(t *testing.T, p *restarttest.Program, name string) *client {
	t.Helper()
	c, err := p.Dial(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(patience))
	return &client{t, c, bufio.NewReader(c)}
}

// get sends a request on the connection and returns the body of the answer.
func (c *client) get() string {
	c.t.Helper()
	io.WriteString(c, "GET / HTTP/1.1\r\nHost: test\r\n\r\n")
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(body)
}

// line sends a line and returns the answer.
func (c *client) line(s string) string {
	c.t.Helper()
	fmt.Fprintln(c, s)
	return c.readLine()
}

func (c *client) readLine() string {
	c.t.Helper()
	answer, err := c.answers.ReadString('\n')
	if err != nil {
		c.t.Fatal(err)
	}
	return strings.TrimSuffix(answer, "\n")
}

// ends checks that the connection is closed.
func (c *client) ends() {
	c.t.Helper()
	if b, err := c.answers.ReadByte(); err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		c.t.Errorf("got byte %q, %v; want a closed connection", b, err)
	}
}

func mustRestart(t *testing.T, p *restarttest.Program, s restarttest.Setup) *restarttest.Generation {
	t.Helper()
	g, err := p.Restart(s)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func mustEnd(t *testing.T, g *restarttest.Generation) {
	t.Helper()
	if err := g.Wait(); err != nil {
		t.Error(err)
	}
}

// held greets with its version and keeps each connection until the client goes.
func held(version string) restarttest.Setup {
	return func(r *restart.Restarter) error {
		_, err := r.Add("held", "tcp", "127.0.0.1:0", newHeld(version))
		return err
	}
}

// newHeld makes a service that greets with its version and keeps each connection
// until the client goes.
func newHeld(version string) restart.Service {
	return tcp.New(func(_ context.Context, c net.Conn) {
		fmt.Fprintln(c, version)
		io.Copy(io.Discard, c)
	})
}

// alone waits until the earlier generations have ended.
func alone(t *testing.T, g *restarttest.Generation) {
	t.Helper()
	select {
	case <-g.Alone():
	case <-time.After(patience):
		t.Errorf("earlier generations live on: %+v", g.Status().Draining)
	}
}
