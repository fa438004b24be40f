//go:build linux

package restarthttp_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// balanced are the lines of haproxy's backend for two servers. inter bounds the
// connection of a check, too.
const balanced = `
	balance roundrobin
	option httpchk GET /readyz
	http-check expect status 200
	default-server check inter 2s fastinter 50ms fall 2 rise 1
	server a %s
	server b %s
`

// A haproxy is one in front of two servers.
type haproxy struct {
	t      *testing.T
	socket string
}

func startHAProxy(t *testing.T, program, a, b string) *haproxy {
	t.Helper()
	return &haproxy{t, proctest.StartHAProxyBackend(t, program, "", fmt.Sprintf(balanced, a, b))}
}

// status returns what haproxy thinks of the server.
func (h *haproxy) status(server string) string {
	h.t.Helper()
	c, err := net.Dial("unix", filepath.Join(filepath.Dir(h.socket), "stats"))
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(proctest.Patience))
	io.WriteString(c, "show stat\n")
	table, err := io.ReadAll(c)
	if err != nil {
		h.t.Fatal(err)
	}
	rows, err := csv.NewReader(bytes.NewReader(bytes.TrimSpace(table))).ReadAll()
	if err != nil {
		h.t.Fatal(err)
	}
	status := -1
	for i, name := range rows[0] {
		if name == "status" {
			status = i
		}
	}
	for _, row := range rows[1:] {
		if row[0] == "servers" && row[1] == server && status >= 0 {
			return row[status]
		}
	}
	h.t.Fatalf("no server %s in\n%s", server, table)
	return ""
}

// wait waits until haproxy thinks that of the server.
func (h *haproxy) wait(server, status string) {
	h.t.Helper()
	for bound := time.Now().Add(proctest.Patience); h.status(server) != status; {
		if time.Now().After(bound) {
			h.t.Fatalf("server %s is %q for haproxy, want %q", server, h.status(server), status)
		}
		<-time.After(10 * time.Millisecond)
	}
}

// One of two servers behind a load balancer stops. The balancer finds out by its
// health checks while the server still serves, and no client loses anything.
func TestLameDuckBehindHAProxy(t *testing.T) {
	program := proctest.Program(t, "haproxy", "haproxy") // before processes start, which a skip would leave
	a, ga := start(t, "probed", 1, "TEST_LAMEDUCK=1h")
	b, gb := start(t, "probed", 1, "TEST_LAMEDUCK=1h")
	h := startHAProxy(t, program, ga.Addr["web"], gb.Addr["web"])
	h.wait("a", "UP")
	h.wait("b", "UP")

	answers := map[string]*atomic.Int64{fmt.Sprint(ga.PID): new(atomic.Int64), fmt.Sprint(gb.PID): new(atomic.Int64)}
	l := startLoad(t, 20, func(int) func() error {
		c := dialUnix(t, h.socket)
		return func() error {
			pid, closes, err := c.post()
			if err == nil && closes {
				err = errors.New("the connection closes")
			}
			if err == nil {
				answers[pid].Add(1)
			}
			return err
		}
	})
	fromA, fromB := answers[fmt.Sprint(ga.PID)], answers[fmt.Sprint(gb.PID)]
	l.moreOf(fromA, 100)
	l.moreOf(fromB, 100)
	a.Signal(ga.PID, syscall.SIGTERM)
	h.wait("a", "DOWN")
	a.Signal(ga.PID, syscall.SIGINT) // the lame duck may go now
	a.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", ga.PID))
	a.WaitEnd()
	l.moreOf(fromB, 100)
	l.end()
	t.Logf("%d requests answered by the server that stopped, %d by the other one", fromA.Load(), fromB.Load())
	b.Signal(gb.PID, syscall.SIGTERM)
	lameDuck(t, gb.Addr["web"])
	b.Signal(gb.PID, syscall.SIGUSR2) // haproxy would keep its connections open
	b.WaitEnd()
}
