//go:build linux

package exampletest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// An Answer is what a server said.
type Answer struct {
	Status  int
	Body    string
	Proto   string // as "HTTP/1.1"
	Version string // of the server, from its Served-By header
	PID     int    // likewise
}

var servedBy = regexp.MustCompile(`^version=(\S+) pid=(\d+)$`)

// Get asks for url and waits for the answer.
func Get(t testing.TB, c *http.Client, url string) Answer {
	t.Helper()
	return Begin(t, c, url)()
}

// AnsweredBy asks for url until the process pid answers. For a moment after it
// has begun to serve its predecessor may still accept, too.
func AnsweredBy(t testing.TB, c *http.Client, url string, pid int) Answer {
	t.Helper()
	var a Answer
	Until(t, fmt.Sprintf("process %d answers", pid), func() bool {
		a = Get(t, c, url)
		return a.PID == pid
	})
	return a
}

// Until waits until done reports true. It is for what tells nobody when it
// changes; what a program does, it logs: see [Program.Logged].
func Until(t testing.TB, what string, done func() bool) {
	t.Helper()
	for bound := time.Now().Add(Patience); !done(); {
		if time.Now().After(bound) {
			t.Fatalf("not within %v: %s", Patience, what)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Begin asks for url and returns when the request has been written. The
// function that it returns waits for the answer.
func Begin(t testing.TB, c *http.Client, url string) func() Answer {
	t.Helper()
	written := make(chan struct{})
	trace := &httptrace.ClientTrace{WroteRequest: func(httptrace.WroteRequestInfo) { close(written) }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	var a Answer
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		a, err = do(c, req)
	}()
	select {
	case <-written:
	case <-answered:
	}
	return func() Answer {
		t.Helper()
		<-answered
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
}

func do(c *http.Client, req *http.Request) (Answer, error) {
	resp, err := c.Do(req)
	if err != nil {
		return Answer{}, err
	}
	defer resp.Body.Close()
	return answerOf(resp)
}

// answerOf reads the body, and does not close it.
func answerOf(resp *http.Response) (Answer, error) {
	body, err := io.ReadAll(resp.Body)
	a := Answer{Status: resp.StatusCode, Body: string(body), Proto: resp.Proto}
	if m := servedBy.FindStringSubmatch(resp.Header.Get("Served-By")); m != nil {
		a.Version = m[1]
		a.PID, _ = strconv.Atoi(m[2]) // digits
	}
	return a, err
}

// Refused checks that nobody listens on addr any more.
func Refused(t testing.TB, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err == nil {
		c.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("connecting to %s: got %v, want it refused", addr, err)
	}
}
