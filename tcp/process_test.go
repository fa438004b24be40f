//go:build linux

package tcp_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/internal/proctest"
	"example.com/restart/tcp"
)

var restarts = flag.Int("restarts", 10, "restarts of TestSessionsMove")

func TestMain(m *testing.M) {
	os.Exit(proctest.Main(m, map[string]func(){"server": server}))
}

func server() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// run serves sums: it answers each line, a number, by the sum of all numbers of
// the connection so far. It answers the line "failures" by the number of times
// that Accept has failed.
func run() error {
	if n, err := strconv.ParseUint(os.Getenv("NOFILE"), 10, 64); err == nil {
		if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: n, Max: n}); err != nil {
			return err
		}
	}
	r, err := restart.New(restart.Options{Logger: proctest.Logger()})
	if err != nil {
		return err
	}
	network, address := "tcp", "127.0.0.1:0"
	if path := os.Getenv("SOCKET"); path != "" {
		network, address = "unix", path
	}
	s := new(summer)
	s.Server = tcp.NewSessions(s.sums)
	if _, err := r.Add("sums", network, address, s); err != nil {
		return err
	}
	return r.Run(context.Background())
}

// A summer counts how often Accept has failed.
type summer struct {
	*tcp.Server
	failures atomic.Int64
}

func (s *summer) Serve(l net.Listener) error {
	return s.Server.Serve(&countingListener{l, &s.failures})
}

type countingListener struct {
	net.Listener
	failures *atomic.Int64
}

func (l *countingListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		l.failures.Add(1)
	}
	return c, err
}

func (s *summer) sums(_ context.Context, c *tcp.Conn) {
	sum := 0
	if state := c.State(); state != nil {
		sum, _ = strconv.Atoi(string(state)) // our own
	}
	for {
		switch err := c.Wait(); {
		case errors.Is(err, tcp.ErrDraining):
			if c.Move([]byte(strconv.Itoa(sum))) == nil {
				return
			}
			fmt.Fprintln(c, "bye")
			return
		case err != nil:
			return
		}
		line, err := c.Reader().ReadString('\n')
		if err != nil {
			return
		}
		if line == "failures\n" {
			fmt.Fprintln(c, s.failures.Load())
			continue
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			fmt.Fprintln(c, "what?")
			continue
		}
		sum += n
		fmt.Fprintln(c, sum)
	}
}

func start(t *testing.T, settings ...string) (*proctest.Family, proctest.Generation) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), settings...)
	p := proctest.Start(t, "server", cmd)
	return p, p.Serving(1, 1)
}

func stop(p *proctest.Family, g proctest.Generation) {
	p.Signal(g.PID, syscall.SIGTERM)
	p.WaitEnd()
}

// Sessions move with their state over TCP and Unix sockets, whatever part of a
// message is where: nothing sent, half a message, several at once.
func TestSessionsMove(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			var settings []string
			if network == "unix" {
				settings = []string{"SOCKET=" + t.TempDir() + "/s"}
			}
			p, g := start(t, settings...)
			addr := g.Addr["sums"]
			silent, half, many := connect(t, network, addr), connect(t, network, addr), connect(t, network, addr)
			half.send("1\n")
			half.expect(1)
			for range *restarts {
				half.send("1")
				many.send("1\n2\n3\n")
				many.expect(1) // the others may be in the buffer
				next := p.Restart(g)
				many.send("4\n")
				for _, n := range []int{2, 3, 4} {
					many.expect(n)
				}
				half.send("2\n")
				half.expect(12)
				p.WaitExit(g.PID)
				g = next
			}
			silent.send("5\n")
			silent.expect(5)
			p.Signal(g.PID, syscall.SIGTERM)
			for _, c := range []*peer{silent, half, many} {
				if got, err := io.ReadAll(c.answers); string(got) != "bye\n" || err != nil {
					t.Errorf("at the end: got %q, %v, want bye", got, err)
				}
			}
			p.WaitEnd()
			if n := p.Count("restart: drained", "handed_over=3", "cut=0"); n != *restarts {
				t.Errorf("%d of %d drains handed over all sessions", n, *restarts)
			}
		})
	}
}

// A session that could not move at once moves to whoever serves by then, also
// when the processes between have long ended.
func TestSessionSkipsGenerations(t *testing.T) {
	p, first := start(t)
	slow, quick := connect(t, "tcp", first.Addr["sums"]), connect(t, "tcp", first.Addr["sums"])
	for _, c := range []*peer{slow, quick} {
		c.send("1\n")
		c.expect(1)
	}
	slow.send("2") // the first process waits for the rest of the line
	g := first
	for range 3 {
		next := p.Restart(g)
		if g.Number > 1 {
			p.WaitExit(g.PID)
		}
		g = next
		quick.send("1\n")
		quick.expect(1)
	}
	slow.send("0\n")
	slow.expect(20)
	p.WaitExit(first.PID)
	slow.send("3\n")
	slow.expect(3)
	p.Wait(1, "restart: drained", "generation=1 ", "handed_over=2", "refused=0")
	stop(p, g)
}

// When descriptors run out the server neither ends nor spins. It accepts again
// when there are some.
func TestOutOfFiles(t *testing.T) {
	const limit, clients = 40, 60
	p, g := start(t, "NOFILE="+strconv.Itoa(limit))
	var all []*peer
	for range clients {
		c := connect(t, "tcp", g.Addr["sums"]) // the kernel accepts it
		c.send("1\n")
		all = append(all, c)
	}
	first := all[0]
	first.expect(1)
	fail := func(n int) {
		t.Helper()
		for bound := time.Now().Add(proctest.Patience); first.failures() < n; <-time.After(10 * time.Millisecond) {
			if time.Now().After(bound) {
				t.Fatalf("Accept has not failed %d times", n)
			}
		}
	}
	fail(3)
	begun, cpu := time.Now(), cpuTime(t, g.PID)
	fail(8) // the pauses between are 20 to 320 ms
	waited := time.Since(begun)
	if used := cpuTime(t, g.PID) - cpu; used > waited/2 {
		t.Errorf("%v of processor time in %v of waiting", used, waited)
	}
	// Those that came first are served all the time. Each that goes makes room
	// for one that waits.
	first.Close()
	for _, c := range all[1:] {
		c.expect(1)
		c.Close()
	}
	stop(p, g)
}

// cpuTime returns how long a process has computed, from proc(5).
func cpuTime(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+1:]))
	var ticks int
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.Atoi(f)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
