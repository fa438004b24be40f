//go:build linux

package restarthttp_test

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/restarttest"
)

// newHTTPServer returns what both sides serve with.
func newHTTPServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, MaxHeaderBytes: 4096, ErrorLog: log.New(io.Discard, "", 0)}
}

// A bareSide is net/http alone.
type bareSide struct {
	addr string
	h    *answering
}

func startBare(t *testing.T) *bareSide {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &bareSide{addr: ln.Addr().String(), h: newAnswering()}
	server := newHTTPServer(s.h)
	ended := make(chan struct{})
	go func() { defer close(ended); server.Serve(ln) }()
	t.Cleanup(func() {
		if err := server.Shutdown(context.Background()); err != nil { // it waits, as Close does not
			t.Error(err)
		}
		<-ended
	})
	return s
}

func (s *bareSide) address() string     { return s.addr }
func (s *bareSide) handler() *answering { return s.h }
func (s *bareSide) begin()              {}
func (s *bareSide) await() error        { return nil }
func (s *bareSide) settle() error       { return nil }

// An ourSide is a Server of this package in generations that replace each other.
type ourSide struct {
	t        *testing.T
	program  *restarttest.Program
	now      *restarttest.Generation
	old      []*restarttest.Generation
	h        *answering
	restarts int
	moves    int
	restart  chan error // yields the end of a restart; nil: there is none
}

func startOurs(t *testing.T) *ourSide {
	t.Helper()
	s := &ourSide{t: t, h: newAnswering()}
	s.program = restarttest.New(t, restart.Options{HammerTime: -1, MaxDraining: -1, Logger: slog.New(slog.DiscardHandler)})
	s.now = s.program.Start(s.setup)
	return s
}

func (s *ourSide) setup(r *restart.Restarter) error {
	_, err := r.Add("web", "tcp", "127.0.0.1:0", restarthttp.Wrap(newHTTPServer(s.h)))
	return err
}

func (s *ourSide) address() string     { return s.program.Addr("web") }
func (s *ourSide) handler() *answering { return s.h }

func (s *ourSide) begin() {
	if s.restart != nil {
		return
	}
	s.restart = make(chan error, 1)
	go func() {
		next, err := s.program.Restart(s.setup)
		if err == nil {
			s.old = append(s.old, s.now)
			s.now = next
			s.restarts++
		}
		s.restart <- err
	}()
}

func (s *ourSide) await() error {
	if s.restart == nil {
		return nil
	}
	err := <-s.restart
	s.restart = nil
	return err
}

// stop ends the last generation in good order.
func (s *ourSide) stop() error {
	s.now.Shutdown()
	s.old = append(s.old, s.now)
	return s.settle()
}

func (s *ourSide) settle() error {
	for _, g := range s.old {
		if err := g.Wait(); err != nil {
			return err
		}
		s.moves += g.Status().HandedOver
	}
	s.old = nil
	return nil
}

// An answering is the handler of both sides. What it answers depends on nothing
// but the request.
type answering struct {
	content []byte

	mu   sync.Mutex
	seen map[string]*sight // by the client's address
}

// A sight is what the handlers see of one trial.
type sight struct {
	mu   sync.Mutex
	ids  []string      // of the requests
	held chan struct{} // closed when handlers of "/held" may go on
}

func newAnswering() *answering {
	return &answering{content: bytes.Repeat([]byte("restart\n"), 12_500), seen: make(map[string]*sight)}
}

// expect is called before a client sends anything. Handlers of an earlier trial,
// whose client has left, may still run.
func (h *answering) expect(client net.Addr) *sight {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := &sight{held: make(chan struct{})}
	h.seen[client.String()] = s
	return s
}

// see notes a request. It panics if the client's address is not that of a client.
func (h *answering) see(r *http.Request) (held <-chan struct{}) {
	h.mu.Lock()
	s := h.seen[r.RemoteAddr]
	h.mu.Unlock()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids = append(s.ids, r.Header.Get("Id"))
	return s.held
}

func (s *sight) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.held:
	default:
		close(s.held)
	}
}

// handled returns which requests were handled.
func (s *sight) handled() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ids)
}

func (h *answering) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	held := h.see(r)
	switch r.URL.Path {
	case "/ignore":
		fmt.Fprintln(w, "ignored")
		return
	case "/abort":
		panic(http.ErrAbortHandler)
	case "/hijack":
		hijack(w)
		return
	case "/held":
		<-held
	}
	body, err := io.ReadAll(r.Body)
	about := fmt.Sprintf("%s %s id=%s fields=%d body=%d %08x %v close=%v %v sum=%q\n", r.Method, r.RequestURI,
		r.Header.Get("Id"), len(r.Header), len(body), crc32.ChecksumIEEE(body), err, r.Close, r.TransferEncoding, r.Trailer.Get("Sum"))
	switch r.URL.Path {
	case "/flush":
		for line := range strings.FieldsSeq(about) {
			io.WriteString(w, line)
			http.NewResponseController(w).Flush()
		}
	case "/large":
		w.Write(h.content)
	case "/none":
		w.WriteHeader(http.StatusNoContent)
	case "/unchanged":
		w.WriteHeader(http.StatusNotModified)
	case "/trailer":
		w.Header().Set("Trailer", "About")
		io.WriteString(w, about)
		w.Header().Set("About", "a trailer")
	case "/error":
		http.Error(w, about, http.StatusInternalServerError)
	case "/upgrade":
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, about, http.StatusUpgradeRequired)
	case "/close":
		w.Header().Set("Connection", "close")
		io.WriteString(w, about)
	default:
		io.WriteString(w, about)
	}
}

// hijack sends back what comes.
func hijack(w http.ResponseWriter) {
	c, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer c.Close()
	io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n")
	io.Copy(c, rw)
}
