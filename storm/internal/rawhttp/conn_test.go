package rawhttp

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

// pair returns a client and the server's end of its connection.
func pair(t *testing.T) (*Conn, *net.TCPConn) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := Dial(t.Context(), ln.Addr().String(), nil, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(); s.Close() })
	_ = c.SetDeadline(time.Now().Add(5 * time.Second))
	return c, s.(*net.TCPConn)
}

func TestReadResponse(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\n"
	tests := []struct {
		name     string
		wire     string
		body     string
		err      error
		received bool // whether some of it arrived
	}{
		{"length", ok + "Content-Length: 3\r\n\r\nabc", "abc", nil, true},
		{"chunks", ok + "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1;x=y\r\nc\r\n0\r\nTrailer: x\r\n\r\n", "abc", nil, true},
		{"until the end", ok + "\r\nabc", "abc", nil, true},
		{"after 100", "HTTP/1.1 100 Continue\r\n\r\n" + ok + "Content-Length: 1\r\n\r\na", "a", nil, true},
		{"nothing", "", "", io.ErrUnexpectedEOF, false},
		{"half a head", "HTTP/1.1 200 O", "", io.ErrUnexpectedEOF, true},
		{"half a body", ok + "Content-Length: 3\r\n\r\na", "a", io.ErrUnexpectedEOF, true},
		{"half a chunk", ok + "Transfer-Encoding: chunked\r\n\r\n5\r\nab", "ab", io.ErrUnexpectedEOF, true},
		{"no last chunk", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n", "a", io.ErrUnexpectedEOF, true},
		{"bad chunk", ok + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "", ErrMalformed, true},
		{"chunk too long", ok + "Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n", "a", ErrMalformed, true},
		{"no HTTP", "hello\r\n\r\n", "", ErrMalformed, true},
		{"only interim", repeat("HTTP/1.1 100 Continue\r\n\r\n", 20), "", ErrMalformed, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, s := pair(t)
			if _, err := io.WriteString(s, tt.wire); err != nil {
				t.Fatal(err)
			}
			s.CloseWrite()
			var body []byte
			_, err := c.ReadResponse(func(b []byte) error { body = append(body, b...); return nil })
			if !errors.Is(err, tt.err) {
				t.Errorf("error: got %v, want %v", err, tt.err)
			}
			if string(body) != tt.body {
				t.Errorf("body: got %q, want %q", body, tt.body)
			}
			if got := c.Received() > 0; got != tt.received {
				t.Errorf("received: got %v, want %v", got, tt.received)
			}
		})
	}
}

func repeat(s string, n int) (all string) {
	for range n {
		all += s
	}
	return all
}

// Two answers in one segment: the second one must not be lost in the buffer, nor be taken for an end.
func TestPipelinedResponses(t *testing.T) {
	c, s := pair(t)
	const one = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n"
	if _, err := io.WriteString(s, one+"a"+one+"b"); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"a", "b"} {
		var got []byte
		if _, err := c.ReadResponse(func(b []byte) error { got = append(got, b...); return nil }); err != nil || string(got) != want {
			t.Fatalf("got %q, %v, want %q", got, err, want)
		}
	}
	if c.Answers != 2 {
		t.Errorf("got %d answers, want 2", c.Answers)
	}
}

// halfDead is a connection on which every write fails.
type halfDead struct{ net.Conn }

var errWrite = errors.New("cannot write")

func (halfDead) Write([]byte) (int, error) { return 0, errWrite }

func TestRoundTripReadsAfterAFailedWrite(t *testing.T) {
	for wire, want := range map[string]error{
		"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n": nil,
		"": errWrite,
	} {
		c, s := pair(t)
		c.nc = halfDead{c.nc}
		if _, err := io.WriteString(s, wire); err != nil {
			t.Fatal(err)
		}
		if err := s.CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if _, err := c.RoundTrip([]byte("GET / HTTP/1.1\r\n\r\n"), nil); !errors.Is(err, want) {
			t.Errorf("after %q: got %v, want %v", wire, err, want)
		}
	}
}
