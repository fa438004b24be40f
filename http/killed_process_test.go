//go:build linux

package restarthttp_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// The successor is killed at each moment of a move. No request is acted upon
// twice, no byte comes on another connection, no record number is used twice, and
// only those connections are lost that the successor had or may have had.
// TEST_KILLED_CONNECTIONS says how many there are.
func TestSuccessorIsKilledWhileConnectionsMove(t *testing.T) {
	n := size(t, "TEST_KILLED_CONNECTIONS", 12)
	for _, kind := range []struct {
		name           string
		tls, webSocket bool
	}{{"plain", false, false}, {"TLS", true, false}, {"WebSocket", false, true}, {"WebSocket over TLS", true, true}} {
		for _, m := range []struct {
			moment moment
			at     int
		}{{momentCame, 1}, {momentCame, n / 2}, {momentAdopted, n / 2}, {momentUsed, 1}, {momentHandled, n / 2}, {momentAnswers, n}} {
			t.Run(fmt.Sprintf("%s, %s %d", kind.name, m.moment, m.at), func(t *testing.T) {
				t.Parallel()
				linger := time.Minute // no client is to be closed for being slow
				if kind.webSocket {
					linger = 100 * time.Millisecond // within which its handler says goodbye
				}
				k := startKilled(t, m.moment, m.at, kind.tls, linger)
				k.connect(n, kind.webSocket)
				k.f.Signal(k.old.PID, syscall.SIGHUP)
				k.clients.Wait()
				k.f.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", k.old.PID))
				k.f.WaitEnd()
				k.check(m.moment, m.at)
			})
		}
	}
}

// A killed is a server whose successor will be killed, and its clients.
type killed struct {
	t       *testing.T
	f       *proctest.Family
	old     proctest.Generation
	tls     bool
	seen    string
	clients sync.WaitGroup
	sent    []int // by client, what was answered

	lost, told atomic.Int64 // clients whose connection was closed, and those who were told before
}

func startKilled(t *testing.T, m moment, at int, secure bool, linger time.Duration) *killed {
	t.Helper()
	k := &killed{t: t, tls: secure, seen: filepath.Join(t.TempDir(), "seen")}
	env := []string{"TEST_SEEN=" + k.seen, "TEST_MOMENT=" + string(m), fmt.Sprint("TEST_AT=", at), "TEST_LINGER=" + linger.String()}
	if secure {
		_, _, certEnv := certificate(t)
		env = append(env, certEnv...)
	}
	k.f, k.old = start(t, "dying", 1, env...)
	return k
}

// connect starts n clients. Each has been answered when it returns.
func (k *killed) connect(n int, webSocket bool) {
	k.t.Helper()
	k.sent = make([]int, n)
	all := make([]*killedClient, n)
	config := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(1)} // cheaper handshakes
	for i := range n {
		c, err := k.dial(i, config, webSocket)
		if err == nil {
			_, err = c.ask()
		}
		if err != nil {
			k.t.Fatal(err)
		}
		all[i] = c
	}
	for i, c := range all {
		c.conn.SetDeadline(time.Now().Add(4 * proctest.Patience))
		k.clients.Go(func() {
			switch told, err := c.askOn(); {
			case err != nil:
				k.t.Errorf("client %d, request %d: %v", i, c.n, err)
			case told:
				k.told.Add(1)
			default:
				k.lost.Add(1)
			}
			k.sent[i] = c.n
		})
	}
}

// A killedClient sends numbered requests of its own, one after another, on one
// connection.
type killedClient struct {
	id        int
	n         int // requests that were answered
	webSocket bool
	conn      net.Conn
	br        *bufio.Reader
	wire      *watched // nil without TLS
}

func (k *killed) dial(id int, config *tls.Config, webSocket bool) (*killedClient, error) {
	nc, err := net.Dial("tcp", k.old.Addr["web"])
	if err != nil {
		return nil, err
	}
	k.t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(4 * proctest.Patience))
	c := &killedClient{id: id, webSocket: webSocket, conn: nc}
	if k.tls {
		c.wire = &watched{Conn: nc}
		if c.conn, err = c.wire.handshake(config); err != nil {
			return nil, err
		}
	}
	c.br = bufio.NewReader(c.conn)
	if !webSocket {
		return c, nil
	}
	if _, err := io.WriteString(c.conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n"); err != nil {
		return nil, err
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err == nil && resp.StatusCode != http.StatusSwitchingProtocols {
		err = errors.New(resp.Status)
	}
	return c, err
}

// askOn asks until the connection ends. told says that the server had announced
// that.
func (c *killedClient) askOn() (told bool, err error) {
	for !told && err == nil {
		told, err = c.ask()
	}
	if err == errLost {
		err = nil
	}
	if c.wire != nil {
		io.Copy(io.Discard, c.wire) // the records of two processes, if there are any
		err = errors.Join(err, c.wire.fault())
	}
	if c.wire != nil || err != nil {
		return told, err
	}
	if rest, err := io.ReadAll(c.br); len(rest) > 0 {
		return told, fmt.Errorf("%q came at the end, %v", rest, err)
	}
	return told, nil
}

// errLost says that the connection has ended without a byte.
var errLost = errors.New("the connection has ended")

func lost(err error) error {
	if err == io.EOF || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return errLost
	}
	return err
}

// ask sends the next request and checks that the answer is to it.
func (c *killedClient) ask() (told bool, err error) {
	body := fmt.Sprintf("%d/%d", c.id, c.n)
	request := fmt.Sprintf("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
	if c.webSocket {
		request = string([]byte{0x81, 0x80 | byte(len(body)), 0, 0, 0, 0}) + body
	}
	if _, err := io.WriteString(c.conn, request); err != nil {
		return false, lost(err)
	}
	var got string
	if c.webSocket {
		b, err := readMessage(c.br)
		if told = err == errClosing; told {
			if _, err := c.conn.Write([]byte{0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe9}); err != nil {
				return true, err
			}
			if b, err = readMessage(c.br); err == io.EOF {
				return true, nil // the request was not acted upon
			}
		}
		if err != nil {
			return false, lost(err)
		}
		got = string(b)
	} else {
		if _, err := c.br.Peek(1); err != nil {
			return false, lost(err)
		}
		if got, told, err = (&raw{c.conn, c.br}).answer(); err != nil {
			return false, err
		}
	}
	if got != body {
		return false, fmt.Errorf("got %q, want %q", got, body)
	}
	c.n++
	return told, nil
}

var drainedCounts = regexp.MustCompile(`handed_over=(\d+) refused=\d+ (?:uncertain=(\d+))?`)

// check compares what the clients saw with what the processes did.
func (k *killed) check(m moment, at int) {
	k.t.Helper()
	b, err := os.ReadFile(k.seen)
	if err != nil {
		k.t.Fatal(err)
	}
	times := make(map[string]int)
	for _, body := range strings.Fields(string(b)) {
		if times[body]++; times[body] > 1 {
			k.t.Errorf("request %s was acted upon %d times", body, times[body])
		}
	}
	for id, n := range k.sent {
		for i := range n {
			if body := fmt.Sprintf("%d/%d", id, i); times[body] != 1 {
				k.t.Errorf("request %s was answered and acted upon %d times", body, times[body])
			}
		}
	}
	line := k.f.Wait(1, "restart: drained")
	c := drainedCounts.FindStringSubmatch(line)
	if c == nil {
		k.t.Fatal(line)
	}
	moved, _ := strconv.Atoi(c[1])
	uncertain, _ := strconv.Atoi(c[2]) // left out if it is 0
	if got, want := k.lost.Load(), int64(moved+uncertain); got != want {
		k.t.Errorf("%d connections are lost, want those %d that have moved and the %d that are uncertain", got, moved, uncertain)
	}
	if unanswered := m == momentCame || m == momentAdopted || m == momentUsed; unanswered && (moved >= at || uncertain == 0) {
		k.t.Errorf("%d have moved and %d are uncertain, want fewer than %d and at least one", moved, uncertain, at)
	}
	k.t.Logf("%d connections, %d requests: %d moved, %d uncertain, %d told to go", len(k.sent), len(times), moved, uncertain, k.told.Load())
}
