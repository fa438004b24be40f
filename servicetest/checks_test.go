package servicetest

import (
	"bufio"
	"context"
	"io"
	"net"
	"testing"

	"example.com/restart"
	"example.com/restart/tcp"
)

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
				<-restart.Draining(ctx) // slow work
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
			err := performNamed(t, test.foundBy, func() restart.Service {
				b := &bad{Server: newEcho()}
				test.spoil(b)
				return b
			}, probe, short)
			if err == nil {
				t.Error("not found")
			}
			t.Log(err)
		})
	}
}
