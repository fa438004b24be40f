//go:build linux

package restarthttp_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// haproxyConfig puts two servers behind one address. Nothing is tried twice. The
// listening socket is descriptor 3. A slow machine must not make haproxy take a
// server for dead: inter bounds the connection of a check, too.
const haproxyConfig = `
global
	stats socket %[1]s mode 600
defaults
	mode http
	retries 0
	no option redispatch
	timeout connect 30s
	timeout check 30s
	timeout client 30s
	timeout server 30s
frontend in
	bind fd@3
	default_backend servers
backend servers
	balance roundrobin
	option httpchk GET /readyz
	http-check expect status 200
	default-server check inter 2s fastinter 50ms fall 2 rise 1
	server a %[2]s
	server b %[3]s
`

// A haproxy is one in front of two servers.
type haproxy struct {
	t     *testing.T
	addr  string
	stats string
}

func startHAProxy(t *testing.T, program, a, b string) *haproxy {
	t.Helper()
	dir := t.TempDir()
	h := &haproxy{t: t, stats: filepath.Join(dir, "stats")}
	config := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(config, fmt.Appendf(nil, haproxyConfig, h.stats, a, b), 0o600); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	h.addr = ln.Addr().String()
	f, err := ln.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()

	var log bytes.Buffer
	cmd := exec.Command(program, "-db", "-f", config)
	cmd.Dir = dir
	cmd.ExtraFiles = []*os.File{f}
	cmd.Stdout, cmd.Stderr = &log, &log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait() // its status says that it was stopped
		if t.Failed() {
			t.Logf("haproxy: %v\n%s", cmd.ProcessState, log.String())
		}
	})
	return h
}

// status returns what haproxy thinks of the server, "" if it does not run yet.
func (h *haproxy) status(server string) string {
	h.t.Helper()
	c, err := net.Dial("unix", h.stats)
	if err != nil {
		return ""
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
	program := proctest.Program(t, "haproxy", "haproxy") // before there are processes that a skip would leave
	a, ga := start(t, "probed", 1, "TEST_LAMEDUCK=1h")
	b, gb := start(t, "probed", 1, "TEST_LAMEDUCK=1h")
	h := startHAProxy(t, program, ga.Addr["web"], gb.Addr["web"])
	h.wait("a", "UP")
	h.wait("b", "UP")

	answers := map[string]*atomic.Int64{fmt.Sprint(ga.PID): new(atomic.Int64), fmt.Sprint(gb.PID): new(atomic.Int64)}
	// more waits until the process has answered so often again.
	more := func(pid int, n int64) {
		t.Helper()
		count := answers[fmt.Sprint(pid)]
		n += count.Load()
		for bound := time.Now().Add(proctest.Patience); count.Load() < n; <-time.After(time.Millisecond) {
			if t.Failed() || time.Now().After(bound) {
				t.Fatalf("process %d does not answer", pid)
			}
		}
	}
	halt := make(chan struct{})
	var load sync.WaitGroup
	endLoad := sync.OnceFunc(func() { close(halt); load.Wait() })
	defer endLoad()
	for range 20 {
		c := dial(t, h.addr)
		load.Go(func() {
			for {
				select {
				case <-halt:
					return
				default:
				}
				pid, closes, err := c.post()
				if err != nil || closes {
					t.Errorf("a request was lost: %v (the connection closes: %v)", err, closes)
					return
				}
				answers[pid].Add(1)
			}
		})
	}
	more(ga.PID, 100)
	more(gb.PID, 100)
	a.Signal(ga.PID, syscall.SIGTERM)
	h.wait("a", "DOWN")
	a.Signal(ga.PID, syscall.SIGINT) // the lame duck may go now
	a.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", ga.PID))
	a.WaitEnd()
	more(gb.PID, 100)
	endLoad()
	t.Logf("%d requests answered by the server that stopped, %d by the other one",
		answers[fmt.Sprint(ga.PID)].Load(), answers[fmt.Sprint(gb.PID)].Load())
	b.Signal(gb.PID, syscall.SIGTERM)
	lameDuck(t, gb.Addr["web"])
	b.Signal(gb.PID, syscall.SIGUSR2) // haproxy would keep its connections open
	b.WaitEnd()
}
