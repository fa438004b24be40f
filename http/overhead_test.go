package restarthttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkRequest is what a request costs inside the process, over an
// in-memory pipe: system calls would hide what a Server adds to net/http.
func BenchmarkRequest(b *testing.B) {
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello\n") })
	b.Run("bare", func(b *testing.B) {
		s := &http.Server{Handler: handler}
		defer s.Close()
		benchmarkRequest(b, s.Serve)
	})
	b.Run("restart", func(b *testing.B) {
		s := Wrap(&http.Server{Handler: handler})
		defer s.Close()
		benchmarkRequest(b, s.Serve)
	})
}

func benchmarkRequest(b *testing.B, serve func(net.Listener) error) {
	l := newConnListener(&net.TCPAddr{})
	go serve(l)
	client, server := net.Pipe()
	defer client.Close()
	if !l.deliver(server) {
		b.Fatal("the server does not accept")
	}
	r := bufio.NewReader(client)
	request := []byte("GET / HTTP/1.1\r\nHost: h\r\n\r\n")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Write(request); err != nil {
			b.Fatal(err)
		}
		resp, err := http.ReadResponse(r, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
}
