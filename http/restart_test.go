//go:build linux

package http_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A raw is one connection that counts every request and never retries.
type raw struct {
	net.Conn
	br *bufio.Reader
}

func dial(t *testing.T, addr string) *raw {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{c, bufio.NewReader(c)}
}

// post sends one request and returns the answer; closes says that the server
// announced to close.
func (c *raw) post() (body string, closes bool, err error) {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
		return "", false, err
	}
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return "", false, err
	}
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), resp.Close, err
}

func (c *raw) mustPost(t *testing.T) string {
	t.Helper()
	body, _, err := c.post()
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// Busy and idle keep-alive connections live through many restarts, and each
// request is answered.
func TestKeepAliveConnectionsSurvive(t *testing.T) {
	const clients, restarts = 20, 20
	s := start(t, "plain")
	pid, addr := s.ready("plain", 1)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var answered atomic.Int64
	for range clients {
		c := dial(t, addr)
		load.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, closes, err := c.post()
				if err != nil || closes {
					t.Errorf("a request was lost: %v (announced: %v)", err, closes)
					return
				}
				answered.Add(1)
			}
		})
	}
	idle := dial(t, addr)
	silent := dial(t, addr)
	idle.mustPost(t)
	for i := range restarts {
		s.restart(pid)
		pid, _ = s.ready("plain", i+2)
	}
	close(stop)
	load.Wait()
	for _, c := range []*raw{idle, silent} {
		if got, want := c.mustPost(t), fmt.Sprint(pid); got != want {
			t.Errorf("idle connection: got %s, want %s", got, want)
		}
	}
	t.Logf("%d requests over %d restarts, none lost", answered.Load(), restarts)
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
	s := start(t, "plain")
	pid, addr := s.ready("plain", 1)
	conns := make([]*raw, n)
	for i := range conns {
		conns[i] = dial(t, addr)
		conns[i].mustPost(t)
	}
	begin := time.Now()
	s.restart(pid)
	took := time.Since(begin)
	line := s.logged("drained", fmt.Sprintf("handed_over=%d ", n), "refused=0")
	next, _ := s.ready("plain", 2)
	for _, c := range conns {
		if got, want := c.mustPost(t), fmt.Sprint(next); got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
	t.Logf("%d connections; from signal to the old process's end %v: %s", n, took, line)
}

// The self-check fails: connections are announced and closed, and still no
// request is lost.
func TestAnnouncedConnectionsLoseNothing(t *testing.T) {
	s := start(t, "announce")
	pid, addr := s.ready("plain", 1)
	stop := make(chan struct{})
	var load sync.WaitGroup
	var reconnects atomic.Int64
	for range 20 {
		load.Go(func() {
			c := dial(t, addr)
			for {
				select {
				case <-stop:
					return
				default:
				}
				_, closes, err := c.post()
				if err != nil {
					t.Errorf("a request was lost: %v", err)
					return
				}
				if closes {
					c.Close()
					c = dial(t, addr)
					reconnects.Add(1)
				}
			}
		})
	}
	for i := range 5 {
		s.restart(pid)
		pid, _ = s.ready("plain", i+2)
	}
	close(stop)
	load.Wait()
	if reconnects.Load() == 0 {
		t.Error("nothing was announced: the self-check was not pretended to fail")
	}
	s.logged("does not behave as known")
}

// A handler of a hijacked connection learns of the drain, and Run waits for it.
func TestHijackedConnectionSaysGoodbye(t *testing.T) {
	s := start(t, "plain")
	pid, addr := s.ready("plain", 1)
	c := dial(t, addr)
	c.SetDeadline(time.Now().Add(20 * time.Second))
	io.WriteString(c, "GET /hijack HTTP/1.1\r\nHost: x\r\n\r\n")
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("got %v, %v", resp, err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	rest, err := io.ReadAll(c.br)
	if string(rest) != "goodbye\n" || err != nil {
		t.Errorf("got %q, %v; want a goodbye and a FIN", rest, err)
	}
	s.gone(pid)
}

// A listener that the new program has not: what waits there is answered.
func TestDroppedListener(t *testing.T) {
	drop := filepath.Join(t.TempDir(), "drop")
	s := start(t, "two", "TEST_DROP="+drop)
	pid, one := s.ready("one", 1)
	_, two := s.ready("two", 1)
	kept, dropped := dial(t, one), dial(t, two)
	kept.mustPost(t)
	dropped.mustPost(t)
	if err := os.WriteFile(drop, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	next, _ := s.ready("one", 2)
	if got := dropped.mustPost(t); got != fmt.Sprint(pid) {
		t.Errorf("dropped listener: answered by %s, want %d", got, pid)
	}
	s.gone(pid)
	if got := kept.mustPost(t); got != fmt.Sprint(next) {
		t.Errorf("kept listener: answered by %s, want %d", got, next)
	}
	if c, err := net.Dial("tcp", two); err == nil {
		c.Close()
		t.Error("the dropped listener still accepts")
	}
	if !strings.HasPrefix(one, "127.0.0.1:") {
		t.Errorf("got %s", one)
	}
}

// When the process stops for good, clients are told before their connections
// close: each loses nothing until it has been told.
func TestStopAnnounces(t *testing.T) {
	s := start(t, "plain")
	pid, addr := s.ready("plain", 1)
	var load sync.WaitGroup
	warm := make(chan struct{}, 10)
	for range cap(warm) {
		c := dial(t, addr)
		load.Go(func() {
			for n := 0; ; n++ {
				_, closes, err := c.post()
				if err != nil {
					t.Errorf("request %d was lost: %v", n, err)
					return
				}
				if closes {
					return
				}
				if n == 10 {
					warm <- struct{}{}
				}
			}
		})
	}
	for range cap(warm) {
		<-warm
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	load.Wait()
	if err := s.first.Wait(); err != nil {
		t.Errorf("the process ended with %v, want success", err)
	}
}
