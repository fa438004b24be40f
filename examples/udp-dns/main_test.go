//go:build linux

package main

import (
	"errors"
	"flag"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"

	"example.com/restart/examples/internal/exampletest"
)

var (
	rate     = flag.Int("rate", 1000, "queries per second of TestEveryQueryIsAnswered")
	restarts = flag.Int("restarts", 10, "restarts of TestEveryQueryIsAnswered")
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// Queries go on while the program is replaced again and again. A client that
// asks once and never again gets an answer to each.
func TestEveryQueryIsAnswered(t *testing.T) {
	p := exampletest.Start(t, exampletest.Build(t, "1"), "-addr", "127.0.0.1:0")
	g := p.Serving(1, 1)
	c, err := net.Dial("udp", g.Addr["dns"])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// What the client does not read in time must not count as lost.
	if err := c.(*net.UDPConn).SetReadBuffer(4 << 20); err != nil {
		t.Fatal(err)
	}

	var sent, answered atomic.Int64
	stop, asked := make(chan struct{}), make(chan struct{})
	begun := time.Now()
	go func() {
		defer close(asked)
		// Each tick catches up with the time that has passed.
		for tick := time.NewTicker(time.Millisecond); ; <-tick.C {
			select {
			case <-stop:
				tick.Stop()
				return
			default:
			}
			want := min(int64(time.Since(begun).Seconds()*float64(*rate)), sent.Load()+100)
			for sent.Load() < want {
				q := new(dns.Msg).SetQuestion("who.example.", dns.TypeTXT)
				q.Id = uint16(sent.Load())
				b, err := q.Pack()
				if err == nil {
					_, err = c.Write(b)
				}
				if err != nil {
					t.Errorf("query %d: %v", sent.Load(), err)
					return
				}
				sent.Add(1)
			}
		}
	}()
	read := make(chan struct{})
	go func() {
		defer close(read)
		b := make([]byte, 1500)
		for {
			n, err := c.Read(b)
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return
			}
			var m dns.Msg
			if err == nil {
				err = m.Unpack(b[:n])
			}
			if err != nil || len(m.Answer) != 1 {
				t.Errorf("answer %d: %v, %v", answered.Load(), m.Answer, err)
				return
			}
			answered.Add(1)
		}
	}()

	for i := range *restarts {
		want := answered.Load() + int64(*rate/4)
		exampletest.Until(t, "queries go on", func() bool { return answered.Load() >= want })
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
	}
	close(stop)
	<-asked
	took := time.Since(begun)
	bound := time.Now().Add(exampletest.Patience)
	for answered.Load() < sent.Load() && time.Now().Before(bound) {
		<-time.After(time.Millisecond)
	}
	c.SetReadDeadline(time.Unix(1, 0))
	<-read
	t.Logf("%d restarts, %.0f queries per second: %d sent, %d answered", *restarts, float64(sent.Load())/took.Seconds(), sent.Load(), answered.Load())
	if sent.Load() != answered.Load() {
		t.Errorf("%d queries were not answered", sent.Load()-answered.Load())
	}
	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
}
