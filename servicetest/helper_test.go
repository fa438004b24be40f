package servicetest

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"example.com/restart"
	"example.com/restart/tcp"
)

// short are the limits for services that are bad. The pause is long because it
// ends when the harm is done.
var short = limits{patience: 300 * time.Millisecond, stuck: 300 * time.Millisecond, pause: 15 * time.Second}

// performNamed runs one of the checks.
func performNamed(t *testing.T, name string, makeService func() restart.Service, probe func(net.Conn) error, l limits) error {
	t.Helper()
	i := slices.IndexFunc(checks, func(c check) bool { return c.name == name })
	if i < 0 {
		t.Fatalf("no check %q", name)
	}
	return perform(checks[i], makeService, probe, l)
}

func probe(c net.Conn) error {
	if _, err := io.WriteString(c, "hello\n"); err != nil {
		return err
	}
	got, err := bufio.NewReader(c).ReadString('\n')
	if err == nil && got != "hello\n" {
		err = fmt.Errorf("got %q", got)
	}
	return err
}

// newEcho makes a good service. It is the base of the bad ones.
func newEcho() *tcp.Server { return tcp.New(echo) }

// echo answers lines until the drain.
func echo(ctx context.Context, c net.Conn) {
	for r := bufio.NewReader(c); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return
		}
		io.WriteString(c, line)
		select {
		case <-restart.Draining(ctx):
			return
		default:
		}
	}
}

// A bad service is a good one whose methods a test replaces.
type bad struct {
	*tcp.Server
	serve    func(net.Listener) error
	shutdown func(context.Context) error
	close    func() error
	adopt    func(net.Conn, []byte) error
	state    func() ([]byte, error)
	restore  func([]byte) error
}

func (b *bad) Serve(l net.Listener) error {
	if b.serve != nil {
		return b.serve(l)
	}
	return b.Server.Serve(l)
}

func (b *bad) Shutdown(ctx context.Context) error {
	if b.shutdown != nil {
		return b.shutdown(ctx)
	}
	return b.Server.Shutdown(ctx)
}

func (b *bad) Close() error {
	if b.close != nil {
		return b.close()
	}
	return b.Server.Close()
}

func (b *bad) Adopt(c net.Conn, state []byte) error {
	if b.adopt != nil {
		return b.adopt(c, state)
	}
	return b.Server.Adopt(c, state)
}

func (b *bad) State() ([]byte, error) {
	if b.state != nil {
		return b.state()
	}
	return nil, nil
}

func (b *bad) Restore(state []byte) error {
	if b.restore != nil {
		return b.restore(state)
	}
	return nil
}

var errBroken = errors.New("broken")
