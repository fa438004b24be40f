package restarthttp

import (
	"io"
	"net"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// closedAfter returns how long it takes until the server closes the connection.
func closedAfter(t *testing.T, client net.Conn) time.Duration {
	t.Helper()
	began := time.Now()
	client.SetReadDeadline(began.Add(time.Hour))
	if n, err := client.Read(make([]byte, 1)); n != 0 || err != io.EOF {
		t.Errorf("got %d bytes, %v; want the end of the connection", n, err)
	}
	return time.Since(began)
}

// An adopted connection that has had a request is idle; one that has not must
// send it. What was left of the time in the predecessor is a bound too.
func TestAdoptedConnectionTimesOut(t *testing.T) {
	const idle, header = time.Minute, 10 * time.Second
	for name, tt := range map[string]struct {
		state string
		want  time.Duration
	}{
		"from a version without state": {"", idle},
		"after a request":              {`{}`, idle},
		"after a request, less left":   {`{"left_ms":5000}`, 5 * time.Second},
		"after a request, more left":   {`{"left_ms":90000}`, idle},
		"silent":                       {`{"first":true}`, header},
		"silent, less left":            {`{"first":true,"left_ms":3000}`, 3 * time.Second},
		"silent, more left":            {`{"first":true,"left_ms":30000}`, header},
		"from a later version":         {`{"first":true,"later":[1]}`, header},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := Wrap(&http.Server{IdleTimeout: idle, ReadHeaderTimeout: header})
			serveInBubble(t, s)
			client, server := net.Pipe()
			if err := s.Adopt(server, []byte(tt.state)); err != nil {
				t.Fatal(err)
			}
			if got := closedAfter(t, client); got != tt.want {
				t.Errorf("%s: closed after %v, want %v", name, got, tt.want)
			}
		})
	}
}

// A client that sends nothing is closed when it is due, however often the
// process is restarted meanwhile; so is one that sends nothing more.
func TestRestartsKeepNoSilentConnection(t *testing.T) {
	const idle, header, every = 30 * time.Second, 10 * time.Second, 3 * time.Second
	for name, tt := range map[string]struct {
		sends string
		want  time.Duration
	}{
		"silent":          {"", header},
		"after a request": {get("/"), idle},
	} {
		synctest.Test(t, func(t *testing.T) {
			generation := func() *Server {
				return Wrap(&http.Server{
					IdleTimeout: idle, ReadHeaderTimeout: header,
					Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
				})
			}
			now := generation()
			l := serveInBubble(t, now)
			client, server := net.Pipe()
			l.deliver(server)
			if tt.sends != "" {
				go io.WriteString(client, tt.sends)
				if _, err := client.Read(make([]byte, 4096)); err != nil {
					t.Fatal(err)
				}
			}
			over := make(chan time.Duration)
			go func() { over <- closedAfter(t, client) }()
			moves := 0
			for {
				select {
				case got := <-over:
					// A move rounds what is left down to a millisecond.
					least := tt.want - time.Duration(moves)*time.Millisecond
					if got > tt.want || got < least || moves == 0 {
						t.Errorf("%s: closed after %v and %d moves, want %v", name, got, moves, tt.want)
					}
					return
				case <-time.After(every):
				}
				next := generation()
				serveInBubble(t, next)
				now.sendBy(func(c net.Conn, state []byte) error {
					moves++
					c.SetReadDeadline(time.Time{}) // stays behind with the old process
					return next.Adopt(c, state)
				})
				if err := now.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
				now = next
			}
		})
	}
}
