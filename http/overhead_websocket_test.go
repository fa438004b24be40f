//go:build linux

package restarthttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"time"
)

// BenchmarkWebSocketEcho compares echoes of 16 KiB messages, whose header and
// payload the server writes at once (net.Buffers): with net/http alone, through a
// Server, and with Keep. They take turns, so that all have the same machine.
// The ratios are throughput: 1 is that of net/http.
func BenchmarkWebSocketEcho(b *testing.B) {
	bare := &http.Server{Handler: http.HandlerFunc(echoBuffers)}
	defer bare.Close()
	wrapped := Wrap(&http.Server{Handler: http.HandlerFunc(echoBuffers)})
	defer wrapped.Close()
	kept := Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Keep(r, nil)
		echoBuffers(w, r)
	})})
	defer kept.Close()
	serve := []func(net.Listener) error{
		bare.Serve,
		func(l net.Listener) error { return wrapped.Serve(tracking{l}) },
		func(l net.Listener) error { return kept.Serve(tracking{l}) },
	}
	echoes := make([]func(), len(serve))
	for i, s := range serve {
		echoes[i] = dialEcho(b, listenAndServe(b, s))
	}
	const inARow = 20 // what comes first after another one is slower
	took := make([][]time.Duration, len(echoes))
	for b.Loop() {
		for i, echo := range echoes {
			begin := time.Now()
			for range inARow {
				echo()
			}
			took[i] = append(took[i], time.Since(begin))
		}
	}
	b.ReportMetric(undisturbed(took[0])/undisturbed(took[1]), "wrapped/bare")
	b.ReportMetric(undisturbed(took[0])/undisturbed(took[2]), "kept/bare")
}

// undisturbed returns the lowest decile: others use the machine, too.
func undisturbed(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/10])
}

// A tracking listener returns what a Restarter's does: connections with the socket
// below.
type tracking struct{ net.Listener }

func (l tracking) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tracked{c.(*net.TCPConn)}, nil
}

type tracked struct{ *net.TCPConn }

func (c tracked) NetConn() net.Conn { return c.TCPConn }

// echoBuffers returns messages as they come, with the mask, which is zero.
func echoBuffers(w http.ResponseWriter, _ *http.Request) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer c.Close()
	io.WriteString(c, switching+"\r\n")
	header, payload := make([]byte, 8), make([]byte, 16<<10)
	for {
		if _, err := io.ReadFull(rw, header); err != nil {
			return
		}
		if _, err := io.ReadFull(rw, payload); err != nil {
			return
		}
		all := net.Buffers{header, payload}
		if _, err := all.WriteTo(c); err != nil {
			return
		}
	}
}

// dialEcho returns a function that sends a message and waits for it.
func dialEcho(b *testing.B, addr string) func() {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { c.Close() })
	io.WriteString(c, upgrade+"\r\n")
	br := bufio.NewReader(c)
	if resp, err := http.ReadResponse(br, nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.Fatal(err)
	}
	message := aFrame(2, true, true, 16<<10)
	answer := make([]byte, len(message))
	return func() {
		if _, err := c.Write(message); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(br, answer); err != nil {
			b.Fatal(err)
		}
	}
}
