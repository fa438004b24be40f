package rawhttp

import (
	"errors"
	"strings"
	"testing"
)

func TestParseHead(t *testing.T) {
	tests := []struct {
		name string
		head string
		want Response
		bad  bool
	}{
		{name: "length", head: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", want: Response{200, FramingLength, 5, false}},
		{name: "zero length", head: "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", want: Response{200, FramingNone, 0, false}},
		{name: "same length twice", head: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n", want: Response{200, FramingLength, 5, false}},
		{name: "chunked beats length", head: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: Chunked\r\n\r\n", want: Response{200, FramingChunked, 0, false}},
		{name: "announced", head: "HTTP/1.1 200 OK\r\nCONNECTION: foo , CLOSE\r\nContent-Length: 1\r\n\r\n", want: Response{200, FramingLength, 1, true}},
		{name: "closed is not close", head: "HTTP/1.1 200 OK\r\nConnection: closed\r\nContent-Length: 1\r\n\r\n", want: Response{200, FramingLength, 1, false}},
		{name: "until the end", head: "HTTP/1.1 200 OK\r\n\r\n", want: Response{200, FramingClose, 0, true}},
		{name: "old", head: "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", want: Response{200, FramingLength, 1, true}},
		{name: "old, kept", head: "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 1\r\n\r\n", want: Response{200, FramingLength, 1, false}},
		{name: "no body", head: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", want: Response{304, FramingNone, 0, false}},
		{name: "no reason", head: "HTTP/1.1 204\r\n\r\n", want: Response{204, FramingNone, 0, false}},
		{name: "upgrade", head: "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n", want: Response{101, FramingNone, 0, false}},

		{name: "empty", head: "\r\n\r\n", bad: true},
		{name: "TLS alert", head: "\x15\x03\x01\x00\x02\x02\x0a\r\n\r\n", bad: true},
		{name: "HTTP/2", head: "HTTP/2.0 200 OK\r\n\r\n", bad: true},
		{name: "status of two digits", head: "HTTP/1.1 20 OK\r\n\r\n", bad: true},
		{name: "status of four digits", head: "HTTP/1.1 2000\r\n\r\n", bad: true},
		{name: "negative length", head: "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", bad: true},
		{name: "signed length", head: "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n", bad: true},
		{name: "length overflows", head: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", bad: true},
		{name: "two lengths", head: "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", bad: true},
		{name: "length list", head: "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n", bad: true},
		{name: "unknown coding", head: "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", bad: true},
		{name: "space before colon", head: "HTTP/1.1 200 OK\r\nContent-Length : 1\r\n\r\n", bad: true},
		{name: "folded", head: "HTTP/1.1 200 OK\r\nA: b\r\n c: d\r\n\r\n", bad: true},
		{name: "no colon", head: "HTTP/1.1 200 OK\r\nwhat\r\n\r\n", bad: true},
		{name: "second response in the first", head: "HTTP/1.1 200 OK\r\nHTTP/1.1 200 OK\r\n\r\n", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := parseHead([]byte(tt.head))
			if tt.bad {
				if !errors.Is(err, ErrMalformed) {
					t.Fatalf("got %+v, %v, want ErrMalformed", got, err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}

func TestHexadecimal(t *testing.T) {
	for in, want := range map[string]int64{"0": 0, "a": 10, "FF": 255, "1f;name=value": 31, " 10 ": 16} {
		if got, ok := hexadecimal([]byte(in)); !ok || got != want {
			t.Errorf("%q: got %d, %v, want %d", in, got, ok, want)
		}
	}
	for _, in := range []string{"", ";", "g", "-1", "0x10", "+1", strings.Repeat("f", 16)} {
		if got, ok := hexadecimal([]byte(in)); ok {
			t.Errorf("%q: got %d, want none", in, got)
		}
	}
}

// No input may make the parser panic, and every head that it accepts must make sense.
func FuzzParseHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"))
	f.Add([]byte("HTTP/1.0 404\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"))
	f.Fuzz(func(t *testing.T, head []byte) {
		r, err := parseHead(head)
		if err == nil && (r.Status < 100 || r.Status > 999 || (r.Framing == FramingLength) != (r.Length > 0)) {
			t.Errorf("accepted %q as %+v", head, r)
		}
	})
}
