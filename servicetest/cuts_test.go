package servicetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/tcp"
)

// A cutter closes all its connections when its listener is closed, as redcon
// does.
type cutter struct {
	once  restart.ServeOnce
	mu    sync.Mutex
	conns map[net.Conn]bool
}

func (s *cutter) Serve(l net.Listener) error {
	if err := s.once.Begin(l); err != nil {
		return err
	}
	defer s.once.End()
	defer s.cut()
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		s.mu.Lock()
		s.conns[c] = true
		s.mu.Unlock()
		go func() {
			echo(context.Background(), c)
			c.Close()
		}()
	}
}

func (s *cutter) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *cutter) Shutdown(context.Context) error {
	s.once.Close()
	return nil
}

func newCutter() restart.Service { return &cutter{conns: make(map[net.Conn]bool)} }

// newStandard makes a server that closes idle connections when it is shut down,
// as the one of net/http does.
func newStandard() restart.Service {
	return &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.Copy(w, r.Body) })}
}

func probeHTTP(c net.Conn) error {
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
		return err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); string(b) != "hello" {
		return fmt.Errorf("got %q, %v", b, err)
	}
	return nil
}

// newInterrupter makes a service that ends every read when the drain begins.
func newInterrupter() restart.Service {
	return tcp.New(func(ctx context.Context, c net.Conn) {
		go func() {
			select {
			case <-restart.Draining(ctx):
				c.SetReadDeadline(time.Unix(1, 0))
			case <-ctx.Done():
			}
		}()
		echo(ctx, c)
	})
}

// Services that lose requests are found, each by the checks for the requests
// that it loses.
func TestFindsCuts(t *testing.T) {
	for _, test := range []struct {
		name    string
		make    func() restart.Service
		probe   func(net.Conn) error
		foundBy []string
	}{
		{"all connections are cut", newCutter, probe, []string{
			"Shutdown finishes what was begun",
			"Shutdown while a request arrives",
			"Shutdown before the first request",
			"Shutdown between two requests",
		}},
		{"idle connections are cut", newStandard, probeHTTP, []string{
			"Shutdown between two requests",
		}},
		{"reads are interrupted", newInterrupter, probe, []string{
			"Shutdown while a request arrives",
			"Shutdown before the first request",
			"Shutdown between two requests",
		}},
	} {
		for _, check := range test.foundBy {
			t.Run(test.name+"/"+check, func(t *testing.T) {
				l := usual
				l.pause = short.pause
				err := performNamed(t, check, test.make, test.probe, l)
				if err == nil || !strings.Contains(err.Error(), "not answered, because the service closed the connection") {
					t.Errorf("got %v, want an error that says who closed the connection", err)
				}
				t.Log(err)
			})
		}
	}
}

// newGoodbye makes a service that greets its clients, and that says goodbye to
// those it closes the connection of.
func newGoodbye() restart.Service {
	return tcp.New(func(ctx context.Context, c net.Conn) {
		go func() {
			select {
			case <-restart.Draining(ctx):
				c.SetReadDeadline(time.Unix(1, 0))
			case <-ctx.Done():
			}
		}()
		io.WriteString(c, "220 welcome\n")
		echo(ctx, c)
		io.WriteString(c, "421 goodbye\n")
	})
}

func probeGreeting(c net.Conn) error {
	r := bufio.NewReader(c)
	if got, err := r.ReadString('\n'); got != "220 welcome\n" {
		return fmt.Errorf("got %q, %v, want a greeting", got, err)
	}
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	if got, err := r.ReadString('\n'); got != "hello\n" {
		return fmt.Errorf("got %q, %v", got, err)
	}
	return nil
}

// newClock makes a service without requests.
func newClock() restart.Service {
	return tcp.New(func(_ context.Context, c net.Conn) { io.WriteString(c, "12:00\n") })
}

func probeClock(c net.Conn) error {
	if got, err := io.ReadAll(c); string(got) != "12:00\n" {
		return fmt.Errorf("got %q, %v", got, err)
	}
	return nil
}

// No check fails services that are good, whatever their protocol.
func TestPassesOtherProtocols(t *testing.T) {
	for _, test := range []struct {
		name  string
		make  func() restart.Service
		probe func(net.Conn) error
	}{
		{"goodbye", newGoodbye, probeGreeting},
		{"a connection that is idle only some time after the answer", func() restart.Service {
			return tcp.New(func(ctx context.Context, c net.Conn) {
				for r := bufio.NewReader(c); ; {
					line, err := r.ReadString('\n')
					if err != nil {
						return
					}
					io.WriteString(c, line)
					time.Sleep(20 * time.Millisecond) // such as writing a log
					select {
					case <-restart.Draining(ctx):
						return
					default:
					}
				}
			})
		}, probe},
		{"one exchange for each connection", func() restart.Service {
			return tcp.New(func(_ context.Context, c net.Conn) {
				line, _ := bufio.NewReader(c).ReadString('\n')
				io.WriteString(c, line)
			})
		}, probe},
	} {
		t.Run(test.name, func(t *testing.T) { Run(t, test.make, test.probe) })
	}
	for _, name := range []string{
		"Shutdown finishes what was begun",
		"Shutdown while a request arrives",
		"Shutdown before the first request",
		"Shutdown between two requests",
	} {
		if err := performNamed(t, name, newClock, probeClock, usual); err != nil {
			t.Errorf("a service without requests: %s: %v", name, err)
		}
	}
}
