package restarthttp

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// selfCheck returns the size of net/http's empty read buffer, or zero if net/http
// does not behave as life.go relies on. A process tries that once, in memory: a tiny
// server answers one request, and the wait for the next one is ended, first with
// nothing in net/http's buffer, then with one stray byte in it, then with a whole
// request line. Only the first connection may come up for a move, and the client
// may see nothing but the response. If net/http does otherwise, connections are
// announced and closed, not moved.
var selfCheck = sync.OnceValue(func() int {
	moved, whole, buffer := tryMove("")
	if !moved || !whole {
		return 0
	}
	for _, stray := range []string{"X", "GET / HTTP/1.1\r\n"} {
		if moved, whole, _ := tryMove(stray); moved || !whole {
			return 0
		}
	}
	return buffer
})

// tryMove serves one request followed by stray bytes and begins a drain when it
// is answered. It reports whether the connection came up for a move, whether
// the client saw the response and nothing else, and the size of the buffer.
func tryMove(stray string) (moved, whole bool, buffer int) {
	client, server := net.Pipe()
	bound := time.Now().Add(5 * time.Second)
	client.SetDeadline(bound)

	var moves atomic.Bool
	home := newConns(func(*conn) bool { moves.Store(true); return false })
	c := newConn(server, home, movable)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, trialBody) }),
		ConnState: func(nc net.Conn, s http.ConnState) {
			c.stateChanged(nc, s)
			if s == http.StateIdle {
				c.begin(modeMove, nil)
			}
		},
	}
	ln := newConnListener(server.LocalAddr())
	var served sync.WaitGroup
	served.Go(func() { srv.Serve(ln) })
	ln.deliver(c)

	var requested sync.WaitGroup
	requested.Go(func() { io.WriteString(client, "GET / HTTP/1.1\r\nHost: trial\r\n\r\n"+stray) })
	whole = readTrial(client, stray != "")
	client.Close()
	requested.Wait()
	srv.Close()
	served.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return moves.Load(), whole, c.life.full
}

// trialBody is the body of the response in a self-check.
const trialBody = "trial"

// readTrial reads the response and, unless it hangs up then, all that comes
// after it until the server closes.
func readTrial(client net.Conn, hangUp bool) bool {
	br := bufio.NewReader(client)
	resp, err := http.ReadResponse(br, nil)
	if err != nil {
		return false
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil || string(body) != trialBody {
		return false
	}
	if hangUp {
		return br.Buffered() == 0
	}
	rest, err := io.ReadAll(br)
	return len(rest) == 0 && err == nil
}
