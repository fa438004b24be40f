package target

import (
	"context"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"example.com/restart/storm/internal/proc"
)

func ap(s string) netip.AddrPort { return netip.MustParseAddrPort(s) }

func TestResolve(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:80":        "127.0.0.1:80",
		"127.0.0.2:80":        "127.0.0.2:80",
		"[::1]:80":            "[::1]:80",
		":80":                 "127.0.0.1:80",
		"0.0.0.0:80":          "127.0.0.1:80",
		"[::]:80":             "127.0.0.1:80",
		"[::ffff:0.0.0.0]:80": "127.0.0.1:80",
		"[::ffff:10.1.2.3]:1": "10.1.2.3:1",
		"127.0.0.1:http":      "127.0.0.1:80",
	} {
		if got, err := Resolve(in); err != nil || got != ap(want) {
			t.Errorf("%q: got %v, %v, want %v", in, got, err, want)
		}
	}
	for _, bad := range []string{"127.0.0.1", "127.0.0.1:65536", "127.0.0.1:no-such-service", "::1:80:", "[::1:80"} {
		if got, err := Resolve(bad); err == nil || !strings.HasPrefix(err.Error(), "storm: ") {
			t.Errorf("%q: got %v, %v, want an error of storm", bad, got, err)
		}
	}
}

func TestFreeAddrIsFree(t *testing.T) {
	s, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	addr, err := netip.ParseAddrPort(s)
	if err != nil || !addr.Addr().IsLoopback() || addr.Port() == 0 {
		t.Fatalf("got %q, %v, want a port on loopback", s, err)
	}
	if got, err := proc.Listeners(addr); err != nil || len(got) != 0 {
		t.Errorf("%d listen on %v, %v, want none", len(got), addr, err)
	}
}

// closed is an address where nobody listens.
func closed(t *testing.T) netip.AddrPort {
	t.Helper()
	s, err := FreeAddr()
	if err != nil {
		t.Fatal(err)
	}
	return ap(s)
}

// listen calls serve with each connection and its number, and then closes the connection.
func listen(t *testing.T, serve func(c net.Conn, n int)) netip.AddrPort {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			serve(c, n)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		<-done
	})
	return ap(ln.Addr().String())
}

// say reads a request and writes a response. A close with unread bytes would be a reset.
func say(c net.Conn, response string) {
	if _, err := c.Read(make([]byte, 1024)); err == nil {
		_, _ = io.WriteString(c, response)
	}
}

func TestAnswers(t *testing.T) {
	handler := func(status int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	}
	ok := httptest.NewServer(handler(http.StatusOK))
	defer ok.Close()
	busy := httptest.NewServer(handler(http.StatusServiceUnavailable))
	defer busy.Close()
	secure := httptest.NewUnstartedServer(handler(http.StatusOK))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	tests := []struct {
		name string
		addr netip.AddrPort
		want bool
	}{
		{"200", ap(ok.Listener.Addr().String()), true},
		{"503", ap(busy.Listener.Addr().String()), true},
		{"net/http's TLS, with a 400 in the clear", ap(secure.Listener.Addr().String()), true},
		{"nobody", closed(t), false},
		{"closed at once", listen(t, func(net.Conn, int) {}), false},
		{"another protocol", listen(t, func(c net.Conn, _ int) { say(c, "220 mail ready\r\n") }), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Answers(t.Context(), tt.addr); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if Answers(ctx, tests[0].addr) {
		t.Error("got an answer after the context was cancelled, want none")
	}
}

func TestWaitAnswerTriesAgain(t *testing.T) {
	tries := 0
	addr := listen(t, func(c net.Conn, n int) {
		if n >= 3 {
			tries = n
			say(c, "HTTP/1.1 204 No Content\r\n\r\n")
		}
	})
	if err := WaitAnswer(t.Context(), addr, patience); err != nil {
		t.Fatalf("got %v, want an answer to the third try", err)
	}
	if tries != 3 {
		t.Errorf("answered at try %d, want 3", tries)
	}
}

func TestWaitAnswerGivesUp(t *testing.T) {
	addr := closed(t)
	err := WaitAnswer(t.Context(), addr, 60*time.Millisecond)
	if err == nil || errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), addr.String()) {
		t.Errorf("got %v, want that nothing answers on %v", err, addr)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	result := make(chan error, 1)
	go func() { result <- WaitAnswer(ctx, addr, 10*patience) }()
	select {
	case err := <-result:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want context.Canceled", err)
		}
	case <-time.After(patience):
		t.Error("it waits on after the context was cancelled")
	}
}

func TestDiscover(t *testing.T) {
	for _, kind := range []string{"plain", "wildcard", "below", "above", "late"} {
		t.Run(kind, func(t *testing.T) {
			p := start(t, "serve "+kind)
			got, err := Discover(t.Context(), p, Addresses{}, patience)
			if err != nil {
				t.Fatal(err)
			}
			want := Addresses{Plain: ap(said(t, p, "plain"))}
			if kind != "plain" && kind != "wildcard" {
				want.TLS = ap(said(t, p, "tls"))
			}
			if got != want {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// A TLS address also answers plain requests, with 400. If Discover looked at a known one with a lower port, it would take it
// for the plain address.
func TestDiscoverLeavesTheKnownAlone(t *testing.T) {
	p := start(t, "serve below")
	plain, secure := ap(said(t, p, "plain")), ap(said(t, p, "tls"))
	want := Addresses{Plain: plain, TLS: secure}
	for _, known := range []Addresses{{TLS: secure}, {Plain: plain}, want} {
		if got, err := Discover(t.Context(), p, known, patience); err != nil || got != want {
			t.Errorf("known %v: got %v, %v, want %v", known, got, err, want)
		}
	}
}

func TestDiscoverWhenTheServerEnds(t *testing.T) {
	p, err := Start([]string{"sh", "-c", "echo first; echo no such configuration >&2; exit 7"}, nil, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(nil, 0) })
	_, err = Discover(t.Context(), p, Addresses{}, patience)
	if err == nil {
		t.Fatal("got no error")
	}
	for _, want := range []string{"ended before it answered", "exit status 7", "first\nno such configuration"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %q, want %q in it", err, want)
		}
	}
}

func TestDiscoverWhenNobodyListens(t *testing.T) {
	p := start(t, "wait")
	want := "ready=" + said(t, p, "ready")
	_, err := Discover(t.Context(), p, Addresses{}, 60*time.Millisecond)
	if err == nil || !strings.Contains(err.Error(), "did not answer HTTP within 60ms") || !strings.Contains(err.Error(), want) {
		t.Errorf("got %v, want that it does not answer, and %q of its log", err, want)
	}
}

// signal.NotifyContext sets a cause since Go 1.26. An interrupt is still context.Canceled.
func TestDiscoverWhenCancelled(t *testing.T) {
	p := start(t, "wait")
	for _, cause := range []error{nil, errors.New("interrupt")} {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		if _, err := Discover(ctx, p, Addresses{}, patience); !errors.Is(err, context.Canceled) {
			t.Errorf("cause %v: got %v, want context.Canceled", cause, err)
		}
	}
}
