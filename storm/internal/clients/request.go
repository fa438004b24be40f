package clients

import (
	"bytes"
	"fmt"
	"math/rand/v2"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// get returns the bytes of a GET.
func get(host, path string, headers ...string) []byte {
	b := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n", path, host)
	for _, h := range headers {
		b = append(append(b, h...), '\r', '\n')
	}
	return append(b, '\r', '\n')
}

// judge returns an error for a complete response that is not the right one.
func judge(resp rawhttp.Response, check func() error) error {
	if resp.Status != 200 {
		return fmt.Errorf("%w: status %d", tally.ErrWrong, resp.Status)
	}
	if check != nil {
		return check()
	}
	return nil
}

// echoSize is the size of a body that the server must send back.
const echoSize = 200

// echo is a POST whose body must come back.
type echo struct {
	head, body []byte
	buf        []byte
	got        int
	differs    bool
}

func newEcho(host string, size int) *echo {
	return &echo{
		head: fmt.Appendf(nil, "POST /echo HTTP/1.1\r\nHost: %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n", host, size),
		body: make([]byte, size),
	}
}

// next returns the request with a new body.
func (e *echo) next(rng *rand.Rand) request {
	fill(rng, e.body)
	e.buf = append(append(e.buf[:0], e.head...), e.body...)
	e.got, e.differs = 0, false
	return request{bytes: e.buf, sink: e.sink, check: e.check}
}

func (e *echo) sink(b []byte) error {
	if e.got+len(b) > len(e.body) || !bytes.Equal(b, e.body[e.got:e.got+len(b)]) {
		e.differs = true
	}
	e.got += len(b)
	return nil
}

func (e *echo) check() error {
	if e.differs || e.got != len(e.body) {
		return fmt.Errorf("%w: sent %d bytes, got %d that differ", tally.ErrWrong, len(e.body), e.got)
	}
	return nil
}

func fill(rng *rand.Rand, b []byte) {
	for i := range b {
		b[i] = 'a' + byte(rng.UintN(26))
	}
}
