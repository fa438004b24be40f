//go:build linux && amd64

package injecttest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"example.com/restart/internal/proctest"
)

// A client has one connection and never tries twice.
type client struct {
	net.Conn
	answers *bufio.Reader
}

func dial(address string) (*client, error) {
	c, err := net.DialTimeout("tcp", address, proctest.Patience)
	if err != nil {
		return nil, err
	}
	return &client{c, bufio.NewReader(c)}, nil
}

// ask returns the PID of the process that answers.
func (c *client) ask() (pid int, err error) {
	c.SetDeadline(time.Now().Add(proctest.Patience))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: test\r\n\r\n"); err != nil {
		return 0, err
	}
	resp, err := http.ReadResponse(c.answers, nil)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK { // net/http's answer where its read has failed
		return 0, errors.New(resp.Status)
	}
	_, err = fmt.Fscan(resp.Body, &pid)
	return pid, err
}

// closed reports whether an error of ask says that the connection had been closed
// before: what was asked on it was answered.
func closed(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return !ok || !timeout.Timeout()
}

// who asks on a new connection.
func who(address string) (pid int, err error) {
	c, err := dial(address)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	return c.ask()
}

// load asks one request after another, each on a new connection, until the
// function that it returns is called. That returns how many got no answer.
func load(address string) (stop func() (lost []error)) {
	quit := make(chan struct{})
	var errs []error
	var asking sync.WaitGroup
	asking.Go(func() {
		for pause := time.Tick(loadPause); ; {
			if _, err := who(address); err != nil {
				errs = append(errs, err)
			}
			select {
			case <-quit:
				return
			case <-pause:
			}
		}
	})
	return func() []error {
		close(quit)
		asking.Wait()
		return errs
	}
}

// loadPause leaves some of the machine to the servers.
const loadPause = 2 * time.Millisecond
