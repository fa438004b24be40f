package restarthttp

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A limits is what a server allows a client.
type limits struct{ readHeader, read, write, idle time.Duration }

func (l limits) server() *http.Server {
	return &http.Server{
		ReadHeaderTimeout: l.readHeader, ReadTimeout: l.read, WriteTimeout: l.write, IdleTimeout: l.idle,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, err := io.ReadAll(r.Body)
			if r.URL.Path == "/slow" {
				time.Sleep(20 * time.Second)
			}
			fmt.Fprintf(w, "%d bytes, %v", len(body), err != nil)
		}),
	}
}

// After a move each limit of the server ends the connection when a bare net/http
// would have ended it. Both see the same client: it sends a request, and then
// pieces of another one, each so long after what was before.
func TestLimitsHoldAfterAMove(t *testing.T) {
	all := limits{readHeader: 5 * time.Second, read: 10 * time.Second, write: 15 * time.Second, idle: 30 * time.Second}
	post := func(path string) string { return "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n" }
	for _, tt := range []struct {
		name   string
		limits limits
		sends  []sending
	}{
		{"nothing more", all, nil},
		{"nothing more, ReadTimeout only", limits{read: 10 * time.Second}, nil},
		{"half a head", all, []sending{{20 * time.Second, "GET / HT"}}},
		{"half a head, ReadTimeout only", limits{read: 10 * time.Second}, []sending{{5 * time.Second, "GET / HT"}}},
		{"a head in pieces", all, []sending{
			{20 * time.Second, "GET / "}, {2 * time.Second, "HTTP/1.1\r\n"}, {2 * time.Second, "Host"}, {2 * time.Second, ": x\r\n\r\n"},
		}},
		{"a head in time", all, []sending{{20 * time.Second, "GET / "}, {4 * time.Second, "HTTP/1.1\r\nHost: x\r\n\r\n"}}},
		{"half a body", all, []sending{{20 * time.Second, post("/") + "hello"}}},
		{"a body in pieces", all, []sending{{20 * time.Second, post("/")}, {9 * time.Second, "hello"}, {2 * time.Second, "world"}}},
		{"a body in time", all, []sending{{20 * time.Second, post("/")}, {9 * time.Second, "helloworld"}}},
		{"a body without ReadTimeout", limits{readHeader: 5 * time.Second, idle: 30 * time.Second}, []sending{{time.Second, post("/")}, {time.Hour, "helloworld"}}},
		{"a handler that is too slow", all, []sending{{20 * time.Second, get("/slow")}}},
		{"a slow handler", limits{write: 25 * time.Second, idle: 30 * time.Second}, []sending{{20 * time.Second, get("/slow")}}},
		{"the next wait", all, []sending{{29 * time.Second, get("/")}, {29 * time.Second, get("/")}}},
	} {
		for _, waited := range []time.Duration{0, 3 * time.Second} {
			t.Run(fmt.Sprint(tt.name, ", waited ", waited), func(t *testing.T) {
				var want, got string
				synctest.Test(t, func(t *testing.T) {
					bare := tt.limits.server()
					l := newConnListener(&net.TCPAddr{})
					go bare.Serve(l)
					want = observe(t, l, waited, func() {}, tt.sends)
					bare.Close()
				})
				synctest.Test(t, func(t *testing.T) {
					old, now := Wrap(tt.limits.server()), Wrap(tt.limits.server())
					l := serveInBubble(t, old)
					serveInBubble(t, now)
					got = observe(t, l, waited, func() { move(t, old, now) }, tt.sends)
				})
				if got != want {
					t.Errorf("got\n%swant, as of net/http,\n%s", got, want)
				}
			})
		}
	}
}

// move shuts old down, whose one connection now adopts.
func move(t *testing.T, old, now *Server) {
	t.Helper()
	moves := 0
	old.sendBy(func(c net.Conn, state []byte) error {
		moves++
		c.SetDeadline(time.Time{}) // stays behind with the old process
		return now.Adopt(c, state)
	})
	if err := old.Shutdown(t.Context()); err != nil || moves != 1 {
		t.Errorf("got %d moves, %v; want one", moves, err)
	}
}

// observe sends a request, has the connection moved so long after the answer, and
// sends the rest. It returns what came back, and when.
func observe(t *testing.T, l *connListener, waited time.Duration, move func(), sends []sending) string {
	client, server := net.Pipe()
	defer client.Close()
	l.deliver(server)
	go io.WriteString(client, get("/"))
	buf := make([]byte, 4096)
	if _, err := client.Read(buf); err != nil {
		t.Fatal(err)
	}
	time.Sleep(waited)
	synctest.Wait()
	began := time.Now()
	move()
	if late := time.Since(began); late != 0 {
		t.Errorf("the move took %v", late)
	}
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		for _, s := range sends {
			time.Sleep(s.after)
			if _, err := io.WriteString(client, s.text); err != nil {
				return
			}
		}
	}()
	var seen strings.Builder
	for {
		n, err := client.Read(buf)
		status, rest, _ := strings.Cut(string(buf[:n]), "\r\n")
		_, body, _ := strings.Cut(rest, "\r\n\r\n")
		fmt.Fprintf(&seen, "after %v: %q %q %v\n", time.Since(began), status, body, err)
		if err != nil {
			break
		}
	}
	client.Close()
	<-sent
	return seen.String()
}
