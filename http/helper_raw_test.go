package restarthttp_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"
)

// A raw is one connection that counts every request and never retries.
type raw struct {
	net.Conn
	br *bufio.Reader
}

func dial(t *testing.T, addr string) *raw { t.Helper(); return dialRaw(t, "tcp", addr) }

func dialUnix(t *testing.T, path string) *raw { t.Helper(); return dialRaw(t, "unix", path) }

func dialRaw(t *testing.T, network, addr string) *raw {
	t.Helper()
	c, err := net.Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &raw{c, bufio.NewReader(c)}
}

// post sends one request and returns the answer; closes says that the server
// announced to close.
func (c *raw) post() (body string, closes bool, err error) {
	c.SetDeadline(time.Now().Add(20 * time.Second))
	if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello"); err != nil {
		return "", false, err
	}
	return c.answer()
}

// postAndStay is post for a connection that the server must not announce to close.
func (c *raw) postAndStay() error {
	_, closes, err := c.post()
	if err == nil && closes {
		err = errors.New("the server announces to close")
	}
	return err
}

// answer reads one response.
func (c *raw) answer() (body string, closes bool, err error) {
	resp, err := http.ReadResponse(c.br, nil)
	if err != nil {
		return "", false, err
	}
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", resp.Status, b)
	}
	return string(b), resp.Close, err
}

func (c *raw) mustPost(t *testing.T) string {
	t.Helper()
	body, _, err := c.post()
	if err != nil {
		t.Fatal(err)
	}
	return body
}
