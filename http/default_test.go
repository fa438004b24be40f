package restarthttp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"example.com/restart"
)

// receive bounds a wait.
func receive[T any](t *testing.T, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(20 * time.Second):
		t.Fatal("waited in vain")
	}
	return v
}

// answering returns a server that says its name, and a channel that gets its
// address.
func answering(name string) (*Server, <-chan string) {
	addr := make(chan string, 1)
	s := NewServer("127.0.0.1:0", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, name) }))
	s.Name, s.Linger = name, -1
	s.BeforeBegin = func(a string) { addr <- a }
	return s, addr
}

// Serve serves all servers and returns nil when its context ends.
func TestServe(t *testing.T) {
	var p process
	one, oneAddr := answering("one")
	two, twoAddr := answering("two")
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error, 1)
	go func() { result <- p.serve(ctx, one, two) }()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}
	for want, addr := range map[string]<-chan string{"one": oneAddr, "two": twoAddr} {
		resp, err := client.Get("http://" + receive(t, addr))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if string(got) != want || err != nil {
			t.Errorf("got %q, %v; want %q", got, err, want)
		}
	}
	cancel()
	if err := receive(t, result); err != nil {
		t.Errorf("Serve: got %v, want nil", err)
	}
	if err := p.serve(t.Context(), one); !errors.Is(err, errStarted) || !strings.Contains(fmt.Sprint(err), `"one"`) {
		t.Errorf("Serve again: got %v, want that %q was started before", err, "one")
	}
}

// A server that cannot be added is named, and nobody is served.
func TestServeNamesWhoFails(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, bad := range map[string]*Server{
		"address": {Name: "bad", HTTP: &http.Server{Addr: taken.Addr().String()}},
		"no HTTP": {Name: "bad"},
	} {
		var p process
		good, _ := answering("good")
		good.BeforeBegin = func(string) { t.Errorf("%s: the other server begins", name) }
		if err := p.serve(t.Context(), good, bad); err == nil || !strings.Contains(err.Error(), `"bad"`) {
			t.Errorf("%s: got %v, want an error that names the server", name, err)
		}
		end(t, &p)
	}
	var p process
	if err := p.serve(t.Context(), nil); err == nil {
		t.Error("a nil server: got nil, want an error")
	}
	end(t, &p)
}

// end frees what a Restarter has that was never run.
func end(t *testing.T, p *process) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.run(ctx); err != nil {
		t.Errorf("Run: %v", err)
	}
}

// ListenAndServe keeps the contract of net/http: it never returns nil.
func TestListenAndServe(t *testing.T) {
	var p process
	s, addr := answering("web")
	result := make(chan error, 1)
	go func() { result <- p.listenAndServe(s) }()
	receive(t, addr)
	p.restarter.Shutdown()
	if err := receive(t, result); err != http.ErrServerClosed {
		t.Errorf("got %v, want http.ErrServerClosed", err)
	}
}

// A program can set the default Restarter once, and before there is one.
func TestProcessSet(t *testing.T) {
	r, err := restart.New(restart.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var p process
	if err := p.set(nil); err == nil {
		t.Error("nil: got nil, want an error")
	}
	if err := p.set(r); err != nil {
		t.Fatal(err)
	}
	if got, err := p.get(0); got != r || err != nil {
		t.Errorf("got %p, %v; want %p", got, err, r)
	}
	if err := p.set(r); err == nil {
		t.Error("again: got nil, want an error")
	}
	end(t, &p)
}
