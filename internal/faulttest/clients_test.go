//go:build linux

package faulttest

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// A client has one connection and never tries twice.
type client struct {
	network, address string

	conn net.Conn // nil when it was closed
	br   *bufio.Reader
	pid  int // of the process that answered last
}

func dial(network, address string) (*client, error) {
	conn, err := net.DialTimeout(network, address, proctest.Patience)
	if err != nil {
		return nil, err
	}
	return &client{network: network, address: address, conn: conn, br: bufio.NewReader(conn)}, nil
}

// get sends one request and returns the body of the answer. closes says that the
// server announced to close.
func (c *client) get(path string) (body []byte, closes bool, err error) {
	c.conn.SetDeadline(time.Now().Add(proctest.Patience))
	if _, err := fmt.Fprintf(c.conn, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path); err != nil {
		return nil, false, err
	}
	return c.answer()
}

func (c *client) answer() (body []byte, closes bool, err error) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return nil, false, err
	}
	body, err = io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, body)
	}
	return body, resp.Close, err
}

// who returns the PID of the process that answers.
func (c *client) who() (pid int, closes bool, err error) {
	body, closes, err := c.get("/")
	if err != nil {
		return 0, false, err
	}
	pid, err = strconv.Atoi(string(body))
	return pid, closes, err
}

// begin sends a request but for its last byte, and returns when a handler has it.
func (c *client) begin() error {
	c.conn.SetDeadline(time.Now().Add(4 * proctest.Patience))
	if _, err := io.WriteString(c.conn, "POST /hold HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err == nil && resp.StatusCode != http.StatusContinue {
		err = errors.New(resp.Status)
	}
	return err
}

// end sends the last byte.
func (c *client) end() error {
	if _, err := c.conn.Write([]byte{'.'}); err != nil {
		return err
	}
	_, _, err := c.answer()
	return err
}

// once asks on a connection of its own.
func once(network, address, path string) ([]byte, error) {
	c, err := dial(network, address)
	if err != nil {
		return nil, err
	}
	defer c.conn.Close()
	body, _, err := c.get(path)
	return body, err
}

// A load is what clients do all the time: some have connections that live long,
// others come anew.
type load struct {
	t    *testing.T
	web  string
	kept []*client // one request at a time on each
	held *client   // in the middle of a request
	mute *client   // has sent nothing yet

	quit chan struct{}
	wg   sync.WaitGroup

	mu           sync.Mutex
	fresh, again int      // requests that were answered, on new and on kept connections
	lost         []loss   // and those that were not
	told         []string // connections that the server announced to close
}

// A loss is a request without an answer.
type loss struct {
	kind string
	err  error
}

func (l loss) String() string { return fmt.Sprintf("%s: %v", l.kind, l.err) }

// refused reports whether nobody was there.
func (l loss) refused() bool {
	return errors.Is(l.err, syscall.ECONNREFUSED) || errors.Is(l.err, syscall.ENOENT)
}

// newLoad connects the clients that live long.
func newLoad(t *testing.T, dir, web string) *load {
	t.Helper()
	l := &load{t: t, web: web}
	for range 4 {
		l.kept = append(l.kept, l.connect("tcp", web))
	}
	l.kept = append(l.kept, l.connect("unix", sideSocket(dir)))
	l.held = l.connect("tcp", web)
	t.Cleanup(l.pause)
	return l
}

func (l *load) connect(network, address string) *client {
	l.t.Helper()
	c, err := dial(network, address)
	if err != nil {
		l.t.Fatal(err)
	}
	conn := c.conn
	l.t.Cleanup(func() { conn.Close() })
	return c
}

// begin begins a request that is not to end soon, and connects a client that says
// nothing yet.
func (l *load) begin() {
	l.t.Helper()
	l.mute = l.connect("tcp", l.web)
	if err := l.held.begin(); err != nil {
		l.t.Fatalf("a slow request: %v", err)
	}
}

// resume starts the clients that ask all the time.
func (l *load) resume() {
	l.quit = make(chan struct{})
	l.every(5*time.Millisecond, l.askAnew)
	next := 0
	l.every(2*time.Millisecond, func() {
		l.askAgain(l.kept[next%len(l.kept)])
		next++
	})
}

// every calls f at a pace that leaves the machine to others.
func (l *load) every(pace time.Duration, f func()) {
	ticks := time.NewTicker(pace)
	l.wg.Go(func() {
		defer ticks.Stop()
		for {
			select {
			case <-l.quit:
				return
			case <-ticks.C:
				f()
			}
		}
	})
}

// pause ends what resume has begun.
func (l *load) pause() {
	if l.quit == nil {
		return
	}
	close(l.quit)
	l.wg.Wait()
	l.quit = nil
}

func (l *load) askAnew() {
	_, err := once("tcp", l.web, "/")
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.lost = append(l.lost, loss{"new", err})
		return
	}
	l.fresh++
}

// askAgain asks on a connection that lives, or has been closed as announced.
func (l *load) askAgain(c *client) {
	if c.conn == nil {
		return
	}
	pid, closes, err := c.who()
	l.mu.Lock()
	defer l.mu.Unlock()
	c.pid = pid
	switch {
	case err != nil:
		l.lost = append(l.lost, loss{"kept", err})
		c.hangUp()
	case closes:
		l.told = append(l.told, c.conn.LocalAddr().String())
		c.hangUp()
		l.again++
	default:
		l.again++
	}
}

func (c *client) hangUp() {
	c.conn.Close()
	c.conn = nil
}

// goesOn waits until some more requests were answered.
func (l *load) goesOn() {
	l.t.Helper()
	l.mu.Lock()
	fresh := l.fresh
	l.mu.Unlock()
	proctest.Poll(l.t, "new requests are answered", func() error {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.fresh < fresh+3 {
			return fmt.Errorf("%d; lost: %v", l.fresh-fresh, l.lost)
		}
		return nil
	})
}

// haveLeft waits until no connection is left in a process but that of the slow
// request.
func (l *load) haveLeft(pid int) {
	l.t.Helper()
	proctest.Poll(l.t, "connections have moved", func() error {
		here, _, err := l.mute.who()
		if err != nil || here == pid {
			return fmt.Errorf("the silent client: got %d, %v", here, err)
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, c := range l.kept {
			if c.pid == pid {
				return errors.New("another one")
			}
		}
		return nil
	})
}

// finish ends the load: the slow request gets its last byte, and the silent client
// asks.
func (l *load) finish() {
	l.pause()
	if err := l.held.end(); err != nil {
		l.lost = append(l.lost, loss{"slow", err})
		l.held.hangUp()
	}
	if _, _, err := l.mute.who(); err != nil {
		l.lost = append(l.lost, loss{"silent", err})
		l.mute.hangUp()
	}
}

// reconnect gives every client a connection again, and returns how many are those
// from the beginning.
func (l *load) reconnect() (alive int) {
	l.t.Helper()
	for _, c := range l.all() {
		if c.conn != nil {
			alive++
			continue
		}
		*c = *l.connect(c.network, c.address)
	}
	return alive
}

// prune gives up the connections on which nobody answers.
func (l *load) prune() {
	for _, c := range l.all() {
		if c.conn == nil {
			continue
		}
		if _, closes, err := c.who(); err != nil || closes {
			c.hangUp()
		}
	}
}

// reconnectAll is for clients of a server that is gone.
func (l *load) reconnectAll() {
	l.t.Helper()
	for _, c := range l.all() {
		if c.conn != nil {
			c.hangUp()
		}
	}
	l.reconnect()
}

func (l *load) all() []*client { return append([]*client{l.held, l.mute}, l.kept...) }

func decode[T any](b []byte, err error) (T, error) {
	var v T
	if err != nil {
		return v, err
	}
	return v, json.Unmarshal(b, &v)
}
