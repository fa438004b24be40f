//go:build linux

package restarthttp_test

import (
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// Busy and idle keep-alive connections live through many restarts, and each
// request is answered.
func TestKeepAliveConnectionsSurvive(t *testing.T) {
	const clients, restarts = 20, 20
	f, g := start(t, "plain", 1)
	addr := g.Addr["web"]
	l := startLoad(t, clients, func(int) func() error { return dial(t, addr).postAndStay })
	idle := dial(t, addr)
	silent := dial(t, addr)
	idle.mustPost(t)
	for range restarts {
		g = replace(f, g)
	}
	l.end()
	for _, c := range []*raw{idle, silent} {
		if got, want := c.mustPost(t), fmt.Sprint(g.PID); got != want {
			t.Errorf("idle connection: got %s, want %s", got, want)
		}
	}
	stop(f, g)
}

// Thousands of idle connections move, all of them, and the old process ends.
func TestTenThousandIdleConnections(t *testing.T) {
	n := 10_000
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if most := int(limit.Cur) - 1500; n > most {
		t.Logf("with RLIMIT_NOFILE %d only %d connections are tried", limit.Cur, most)
		n = most
	}
	f, g := start(t, "plain", 1)
	conns := make([]*raw, n)
	for i := range conns {
		conns[i] = dial(t, g.Addr["web"])
		conns[i].mustPost(t)
	}
	begin := time.Now()
	next := replace(f, g)
	took := time.Since(begin)
	line := f.Wait(1, "drained", fmt.Sprintf("handed_over=%d ", n), "refused=0")
	for _, c := range conns {
		if got, want := c.mustPost(t), fmt.Sprint(next.PID); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	t.Logf("%d connections; from signal to the old process's end %v: %s", n, took, line)
	for _, c := range conns {
		c.Close()
	}
	stop(f, next)
}

// The self-check fails: connections are announced and closed, and still no
// request is lost.
func TestAnnouncedConnectionsLoseNothing(t *testing.T) {
	f, g := start(t, "announce", 1)
	addr := g.Addr["web"]
	var reconnects atomic.Int64
	conns := make([]*raw, 20)
	l := startLoad(t, len(conns), func(i int) func() error {
		conns[i] = dial(t, addr)
		return func() error {
			_, closes, err := conns[i].post()
			if closes {
				conns[i].Close()
				conns[i] = dial(t, addr)
				reconnects.Add(1)
			}
			return err
		}
	})
	for range 3 {
		g = replace(f, g)
	}
	l.end()
	for _, c := range conns {
		c.Close() // it would linger
	}
	if reconnects.Load() == 0 {
		t.Error("nothing was announced: the self-check was not pretended to fail")
	}
	stop(f, g)
}

// A handler of a hijacked connection learns of the drain, and Run waits for it.
func TestHijackedConnectionSaysGoodbye(t *testing.T) {
	f, g := start(t, "plain", 1)
	c := dial(t, g.Addr["web"])
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", resp, err)
	}
	next := f.Restart(g)
	rest, err := io.ReadAll(c.br)
	if string(rest) != "goodbye\n" || err != nil {
		t.Errorf("got %q, %v; want a goodbye and a FIN", rest, err)
	}
	f.WaitExit(g.PID)
	stop(f, next)
}

// When the process stops for good, clients are told before their connections
// close: each loses nothing until it has been told.
func TestStopAnnounces(t *testing.T) {
	f, g := start(t, "plain", 1)
	l := startLoad(t, 10, func(int) func() error {
		c := dial(t, g.Addr["web"])
		c.mustPost(t)
		return func() error {
			_, closes, err := c.post()
			if err == nil && closes {
				return errTold
			}
			return err
		}
	})
	l.more(100)
	stop(f, g) // which ends with success
	l.clients.Wait()
}
