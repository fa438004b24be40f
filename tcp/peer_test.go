//go:build linux

package tcp_test

import (
	"bufio"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// A peer is a client with one connection.
type peer struct {
	t testing.TB
	net.Conn
	answers *bufio.Reader
	sum     int
}

func connect(t testing.TB, network, addr string) *peer {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(2 * proctest.Patience))
	return &peer{t: t, Conn: c, answers: bufio.NewReader(c)}
}

func (p *peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal(err)
	}
}

// failures asks how often Accept has failed in the server.
func (p *peer) failures() int {
	p.t.Helper()
	p.send("failures\n")
	got, err := p.answers.ReadString('\n')
	if err != nil {
		p.t.Fatal(err)
	}
	n, err := strconv.Atoi(strings.TrimSpace(got))
	if err != nil {
		p.t.Fatal(err)
	}
	return n
}

// expect checks the answer to a number.
func (p *peer) expect(n int) {
	p.t.Helper()
	p.sum += n
	got, err := p.answers.ReadString('\n')
	if want := strconv.Itoa(p.sum) + "\n"; got != want || err != nil {
		p.t.Fatalf("got %q, %v, want %q", got, err, want)
	}
}
