//go:build linux

//lint:file-ignore SA1019 net/http's client sends requests again in more cases than HTTP/2 declares safe.

package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/rpc/jsonrpc"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"example.com/restart/examples/internal/exampletest"
	"example.com/restart/internal/proctest"
)

var (
	clients  = flag.Int("clients", 5, "clients of each kind in TestNothingIsLost")
	restarts = flag.Int("restarts", 10, "restarts in TestNothingIsLost")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Clients that never send a request again, and that connect anew only when they are
// told to, lose nothing. Each is busy in every generation.
func TestNothingIsLost(t *testing.T) {
	losesNothing(t, *clients, *restarts, func(addr map[string]string) map[string]func() asker {
		return map[string]func() asker{
			"fast":  func() asker { return &rawClient{network: "tcp", addr: addr["fast"]} },
			"fiber": func() asker { return &rawClient{network: "tcp", addr: addr["fiber"]} },
			"rpc":   func() asker { return newRPCClient(addr["rpc"]) },
			"redis": func() asker { return newRedisClient(addr["redis"]) },
			"h2c":   func() asker { return newH2CClient(addr["h2c"]) },
		}
	})
}

// A proxy has the requests of many clients on a few connections of HTTP/2, and sends
// none again.
func TestHAProxyLosesNothing(t *testing.T) {
	program := proctest.Program(t, "haproxy", "haproxy")
	losesNothing(t, 50, proctest.RestartsBehindProxies(t), func(addr map[string]string) map[string]func() asker {
		socket := proctest.StartHAProxy(t, program, "", addr["h2c"]+" proto h2")
		return map[string]func() asker{"h2c": func() asker { return &rawClient{network: "unix", addr: socket} }}
	})
}

// losesNothing restarts the program under so many clients of each kind. open returns
// how to make one of each, given the addresses of the listeners.
func losesNothing(t *testing.T, clients, restarts int, open func(addr map[string]string) map[string]func() asker) {
	bin := exampletest.Build(t, "1")
	any := "127.0.0.1:0"
	p := exampletest.Start(t, bin, "-fast", any, "-fiber", any, "-rpc", any, "-redis", any, "-h2c", any, "-linger", exampletest.Patience.String())
	g := p.Serving(1, 5)
	var all []*client
	var running sync.WaitGroup
	for kind, open := range open(g.Addr) {
		for range clients {
			c := &client{kind: kind, asker: open()}
			all = append(all, c)
			running.Go(c.run)
		}
	}
	goOn := func() {
		t.Helper()
		for _, c := range all {
			n := c.answers.Load() + 3
			exampletest.Until(t, fmt.Sprintf("%s has %d answers", c.kind, n), func() bool { return c.answers.Load() >= n || c.failed.Load() })
		}
	}
	goOn()
	for i := range restarts {
		old := g.PID
		p.Signal(old, syscall.SIGHUP)
		g = p.Serving(i+2, 5)
		goOn()
		p.Gone(old) // no client is left there
	}
	answers := make(map[string]int64)
	for _, c := range all {
		c.quit.Store(true)
	}
	running.Wait()
	for _, c := range all {
		if c.err != nil {
			t.Errorf("%s, after %d answers: %v", c.kind, c.answers.Load(), c.err)
		}
		answers[c.kind] += c.answers.Load()
	}
	t.Logf("%d clients of each kind, %d restarts, answers: %v", clients, restarts, answers)
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}

// An asker sends one request and returns an error if the answer is not its text.
type asker interface {
	ask(text string) error
	io.Closer
}

type client struct {
	kind    string
	asker   asker
	quit    atomic.Bool
	answers atomic.Int64
	failed  atomic.Bool
	err     error // to be read when run has returned
}

func (c *client) run() {
	defer c.asker.Close()
	for n := 0; !c.quit.Load(); n++ {
		if c.err = c.asker.ask(fmt.Sprint("text", n)); c.err != nil {
			c.failed.Store(true)
			return
		}
		c.answers.Add(1)
		time.Sleep(time.Duration(n%5) * time.Millisecond) // so that it is idle, too
	}
}

func check(got, want string) error {
	if got != want {
		return fmt.Errorf("got %q, want %q", got, want)
	}
	return nil
}

// rawClient is HTTP/1 by hand: net/http's client sends some requests again.
type rawClient struct {
	network, addr string
	conn          net.Conn
	br            *bufio.Reader
}

func (r *rawClient) ask(text string) (err error) {
	if r.conn == nil {
		if r.conn, err = net.Dial(r.network, r.addr); err != nil {
			return err
		}
		r.br = bufio.NewReader(r.conn)
	}
	r.conn.SetDeadline(time.Now().Add(exampletest.Patience))
	if _, err := fmt.Fprintf(r.conn, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n%s", len(text), text); err != nil {
		return err
	}
	resp, err := http.ReadResponse(r.br, nil)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = check(string(body), text)
	}
	if resp.Close { // told
		err = errors.Join(err, r.Close())
	}
	return err
}

func (r *rawClient) Close() (err error) {
	if r.conn != nil {
		err = r.conn.Close()
		r.conn = nil
	}
	return err
}

// oneConn dials once: whoever uses it never connects anew.
func oneConn(addr string) (net.Conn, error) {
	c, err := net.Dial("tcp", addr)
	if err == nil {
		err = c.SetDeadline(time.Now().Add(5 * time.Minute))
	}
	return c, err
}

type broken struct{ err error }

func (b broken) ask(string) error { return b.err }
func (broken) Close() error       { return nil }

type rpcClient struct {
	call func(method string, args, reply any) error
	io.Closer
}

func newRPCClient(addr string) asker {
	conn, err := oneConn(addr)
	if err != nil {
		return broken{err}
	}
	c := jsonrpc.NewClient(conn)
	return rpcClient{c.Call, c}
}

func (r rpcClient) ask(text string) error {
	var answer string
	if err := r.call("Echo.Say", text, &answer); err != nil {
		return err
	}
	return check(answer, text)
}

type redisClient struct {
	net.Conn
	br *bufio.Reader
}

func newRedisClient(addr string) asker {
	conn, err := oneConn(addr)
	if err != nil {
		return broken{err}
	}
	return redisClient{conn, bufio.NewReader(conn)}
}

// ask sends two commands at once, the second of them in two parts.
func (r redisClient) ask(text string) error {
	command := fmt.Sprintf("*2\r\n$4\r\nECHO\r\n$%d\r\n%s\r\n", len(text), text)
	both := command + command
	for _, part := range []string{both[:len(both)-7], both[len(both)-7:]} {
		if _, err := io.WriteString(r, part); err != nil {
			return err
		}
	}
	want := strings.Repeat(fmt.Sprintf("$%d\r\n%s\r\n", len(text), text), 2)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(r.br, got); err != nil {
		return err
	}
	return check(string(got), want)
}

// h2cClient sends a request again only where the protocol declares it not
// processed.
type h2cClient struct {
	*http2.Transport
	url string
}

func newH2CClient(addr string) asker {
	return h2cClient{&http2.Transport{
		AllowHTTP: true,
		DialTLSContext: func(ctx context.Context, network, addr string, _ *tls.Config) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
	}, "http://" + addr + "/"}
}

func (h h2cClient) ask(text string) error {
	ctx, cancel := context.WithTimeout(context.Background(), exampletest.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader([]byte(text)))
	if err != nil {
		return err
	}
	resp, err := h.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	return check(string(body), text)
}

func (h h2cClient) Close() error {
	h.CloseIdleConnections()
	return nil
}
