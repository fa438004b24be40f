package restarthttp

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"example.com/restart"
)

// A Server has no methods of http.Server that would bypass it, such as ServeTLS.
func TestNothingIsPromoted(t *testing.T) {
	want := []string{
		"Adopt", "AdoptedKinds", "After", "Announced", "Before", "BeginLameDuck", "Close", "ListenAndServe", "ListenAndServeTLS",
		"RegisterOnShutdown", "Restore", "Serve", "SetLogger", "Shutdown", "State",
	}
	var got []string
	typ := reflect.TypeFor[*Server]()
	for m := range typ.Methods() {
		got = append(got, m.Name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got methods %q, want %q", got, want)
	}
	for f := range typ.Elem().Fields() {
		if f.Anonymous {
			t.Errorf("it embeds %v", f.Type)
		}
	}
}

// What a Restarter looks for in a service.
var (
	_ restart.Service     = (*Server)(nil)
	_ restart.Stateful    = (*Server)(nil)
	_ restart.Adopter     = (*Server)(nil)
	_ restart.KindAdopter = (*Server)(nil)
	_ restart.Logging     = (*Server)(nil)
	_ restart.LameDuck    = (*Server)(nil)
)

// A Server without an http.Server says so, and does not panic.
func TestServerWithoutHTTP(t *testing.T) {
	s := new(Server)
	if err := s.Serve(newConnListener(nil)); !errors.Is(err, errNoHTTP) {
		t.Errorf("Serve: got %v, want that HTTP is nil", err)
	}
	if err := s.Shutdown(t.Context()); err != nil {
		t.Errorf("Shutdown: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	if err := s.Adopt(nil, nil); err == nil {
		t.Error("Adopt: got nil, want that the server does not serve")
	}
}

// CertFile alone implies TLS, and a server with TLS adopts nothing.
func TestSpeaksTLS(t *testing.T) {
	for name, tt := range map[string]struct {
		server *Server
		want   bool
	}{
		"plain": {&Server{}, false},
		"TLS":   {&Server{TLS: true}, true},
		"files": {&Server{CertFile: "c", KeyFile: "k"}, true},
	} {
		if got := tt.server.speaksTLS(); got != tt.want {
			t.Errorf("%s: got %v, want %v", name, got, tt.want)
		}
		if got := moverOf(tt.server).check() != nil; got != tt.want {
			t.Errorf("%s: connections stay: got %v, want %v", name, got, tt.want)
		}
	}
}

// A certificate that is not there is named.
func TestMissingCertificate(t *testing.T) {
	s := &Server{HTTP: new(http.Server), CertFile: "no/cert.pem", KeyFile: "no/key.pem"}
	if err := s.Serve(newConnListener(nil)); err == nil || !strings.Contains(err.Error(), "no/cert.pem") {
		t.Errorf("got %v, want an error that names the file", err)
	}
}

// The program's logger goes before the Restarter's, and that before the default.
func TestLogger(t *testing.T) {
	own, given := slog.New(slog.DiscardHandler), slog.New(slog.DiscardHandler)
	s := new(Server)
	if s.logger() != slog.Default() {
		t.Error("without any: got another logger than slog.Default()")
	}
	s.SetLogger(given)
	if s.logger() != given {
		t.Error("got another logger than the Restarter's")
	}
	s.Logger = own
	if s.logger() != own {
		t.Error("got another logger than the program's")
	}
}

// A net/http that is not known moves nothing, and the log says so.
func TestUnknownNetHTTPIsLogged(t *testing.T) {
	var log bytes.Buffer
	s := Wrap(new(http.Server))
	s.Logger = slog.New(slog.NewTextHandler(&log, nil))
	PretendCannotMove(s)
	r := newRun(s, newConnListener(&net.TCPAddr{}))
	if got := r.modeOf(sendFunc(func(net.Conn, []byte) error { return nil })); got != modeLinger {
		t.Errorf("got mode %d, want that connections linger", got)
	}
	if !strings.Contains(log.String(), "does not behave as known") {
		t.Errorf("got log %q", log.String())
	}
	if got := r.modeOf(nil); got != modeLinger {
		t.Errorf("without a successor: got mode %d, want that connections linger", got)
	}
}

// The hammer moves nothing any more, also where a wait has been ended for a move.
func TestCloseMovesNothing(t *testing.T) {
	s := Wrap(new(http.Server))
	s.selfCheck = func() int { return 4096 }
	l := newConnListener(&net.TCPAddr{})
	served := make(chan error, 1)
	go func() { served <- s.Serve(l) }()
	poll(t, "the server to serve", func() bool { return s.run.Load() != nil })
	r := s.run.Load()
	moved := false
	send := sender(sendFunc(func(net.Conn, []byte) error { moved = true; return nil }))
	r.sender.Store(&send)
	sock := new(scripted)
	c := r.newConn(sock)
	r.conns.add(c)
	c.begin(modeMove, nil)
	c.mu.Lock()
	c.life.timedOut(0)
	c.mu.Unlock()
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	<-served
	c.Close()
	if moved || sock.closed != 1 || r.conns.has(c) {
		t.Errorf("got moved %v, closed %d times, still in the set %v; want it closed", moved, sock.closed, r.conns.has(c))
	}
}

// What was registered runs when a drain begins, also where nothing was served.
func TestRegisterOnShutdownBeforeServe(t *testing.T) {
	s := Wrap(new(http.Server))
	done := make(chan struct{})
	s.RegisterOnShutdown(func() { close(done) })
	if err := s.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	<-done
	if err := s.Serve(newConnListener(nil)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("Serve after Shutdown: got %v, want net.ErrClosed", err)
	}
}
