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

// newEcho makes a good service: it is the base of the bad ones.
func newEcho() *tcp.Server {
	return tcp.New(func(ctx context.Context, c net.Conn) {
		for r := bufio.NewReader(c); ; {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			io.WriteString(c, line)
			if ctx.Err() != nil {
				return
			}
		}
	})
}

func TestGood(t *testing.T) {
	Run(t, func() restart.Service { return newEcho() }, probe)
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

// Each fault is found, by the check that is there for it.
func TestFindsFaults(t *testing.T) {
	for _, test := range []struct {
		fault   string
		foundBy string
		spoil   func(b *bad)
	}{
		{"Serve fails", "Serve answers", func(b *bad) {
			b.serve = func(l net.Listener) error { l.Close(); return errBroken }
		}},
		{"answers are wrong", "Serve answers", func(b *bad) {
			b.Server = tcp.New(func(_ context.Context, c net.Conn) { io.WriteString(c, "what?\n") })
		}},
		{"one connection at a time", "Serve answers many at once", func(b *bad) {
			b.serve = func(l net.Listener) error {
				for {
					c, err := l.Accept()
					if err != nil {
						return err
					}
					io.Copy(c, c)
				}
			}
		}},
		{"Serve returns an error of its own", "Shutdown of an idle service", func(b *bad) {
			b.serve = func(l net.Listener) error { b.Server.Serve(l); return errBroken }
		}},
		{"Shutdown returns an error", "Shutdown of an idle service", func(b *bad) {
			b.shutdown = func(ctx context.Context) error { b.Server.Shutdown(ctx); return errBroken }
		}},
		{"a goroutine is left", "Shutdown of an idle service", func(b *bad) {
			b.serve = func(l net.Listener) error {
				go func() { <-t.Context().Done() }()
				return b.Server.Serve(l)
			}
		}},
		{"Serve does not know of Shutdown", "Shutdown before Serve", func(b *bad) {
			b.shutdown = func(context.Context) error { return nil }
		}},
		{"Shutdown waits for a Serve that was never called", "Shutdown before Serve", func(b *bad) {
			serving := make(chan struct{})
			b.serve = func(l net.Listener) error { close(serving); return b.Server.Serve(l) }
			b.shutdown = func(ctx context.Context) error { <-serving; return b.Server.Shutdown(ctx) }
		}},
		{"Shutdown waits for Serve and leaves it in Accept", "Shutdown while nothing can be accepted", func(b *bad) {
			served := make(chan struct{})
			b.serve = func(l net.Listener) error {
				defer close(served)
				return b.Server.Serve(l)
			}
			b.shutdown = func(ctx context.Context) error { <-served; return b.Server.Shutdown(ctx) }
		}},
		{"Shutdown closes connections in use", "Shutdown finishes what was begun", func(b *bad) {
			b.Server = tcp.New(func(ctx context.Context, c net.Conn) {
				line, err := bufio.NewReader(c).ReadString('\n')
				<-ctx.Done() // slow work
				if err == nil {
					io.WriteString(c, line)
				}
			})
			b.shutdown = func(context.Context) error { return b.Server.Close() }
		}},
		{"Shutdown ignores its context", "Shutdown ends with its context", func(b *bad) {
			b.shutdown = func(context.Context) error { return b.Server.Shutdown(context.Background()) }
		}},
		{"Close waits for handlers", "Close", func(b *bad) {
			b.close = func() error { return b.Server.Shutdown(context.Background()) }
		}},
		{"a second Close fails", "Close", func(b *bad) {
			n := 0
			b.close = func() error {
				if n++; n > 1 {
					return errBroken
				}
				return b.Server.Close()
			}
		}},
		{"Serve does not know of Close", "Close before Serve", func(b *bad) {
			b.close = func() error { return nil }
		}},
		{"State fails", "State and Restore", func(b *bad) {
			b.state = func() ([]byte, error) { return nil, errBroken }
		}},
		{"Restore fails", "State and Restore", func(b *bad) {
			b.restore = func([]byte) error { return errBroken }
		}},
		{"Adopt blocks", "Adopt", func(b *bad) {
			b.adopt = func(c net.Conn, _ []byte) error { _, err := io.Copy(c, c); return err }
		}},
		{"Adopt forgets the connection", "Adopt", func(b *bad) {
			b.adopt = func(c net.Conn, _ []byte) error { return c.Close() }
		}},
		{"Adopt closes what it refuses", "Adopt", func(b *bad) {
			b.adopt = func(c net.Conn, _ []byte) error { c.Close(); return errBroken }
		}},
		{"Adopt blocks when nobody serves", "Adopt during and after Shutdown", func(b *bad) {
			b.adopt = func(net.Conn, []byte) error { <-t.Context().Done(); return nil }
		}},
	} {
		t.Run(test.fault, func(t *testing.T) {
			i := slices.IndexFunc(checks, func(c check) bool { return c.name == test.foundBy })
			err := perform(checks[i], func() restart.Service {
				b := &bad{Server: newEcho()}
				test.spoil(b)
				return b
			}, probe, 300*time.Millisecond)
			if err == nil {
				t.Error("not found")
			}
			t.Log(err)
		})
	}
}
