package restarthttp

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// BenchmarkRequestTLS is what a request costs over TLS: with net/http alone, with
// MoveTLS before a move, and after one.
func BenchmarkRequestTLS(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	serve := func(b *testing.B) (*Server, string) {
		s := Wrap(&http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{serverCert()}}})
		s.TLS, s.MoveTLS = true, true
		return s, listenAndServe(b, s.Serve)
	}
	b.Run("bare", func(b *testing.B) {
		s := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{serverCert()}}}
		defer s.Close()
		addr := listenAndServe(b, func(l net.Listener) error { return s.ServeTLS(l, "", "") })
		benchmarkTLS(b, addr, func() {})
	})
	b.Run("tapped", func(b *testing.B) {
		s, addr := serve(b)
		defer s.Close()
		benchmarkTLS(b, addr, func() {})
	})
	b.Run("moved", func(b *testing.B) {
		s, addr := serve(b)
		next, _ := serve(b)
		defer next.Close()
		benchmarkTLS(b, addr, func() {
			s.sendBy(func(c net.Conn, state []byte) error {
				c.SetDeadline(time.Time{})
				return next.Adopt(c, state)
			})
			if err := s.Shutdown(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	})
}

func listenAndServe(b *testing.B, serve func(net.Listener) error) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	accepts := make(chan struct{})
	go serve(&firstAccept{Listener: ln, accepts: accepts})
	<-accepts
	return ln.Addr().String()
}

// A firstAccept closes accepts when Accept is called first.
type firstAccept struct {
	net.Listener
	accepts chan struct{}
}

func (l *firstAccept) Accept() (net.Conn, error) {
	if l.accepts != nil {
		close(l.accepts)
		l.accepts = nil
	}
	return l.Listener.Accept()
}

// benchmarkTLS makes requests over one connection, with before after the first.
func benchmarkTLS(b *testing.B, addr string, before func()) {
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	br := bufio.NewReader(c)
	request := func() {
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(br, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
	request()
	before()
	b.ReportAllocs()
	for b.Loop() {
		request()
	}
}
