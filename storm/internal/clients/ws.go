package clients

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"example.com/restart/storm/internal/rawhttp"
	"example.com/restart/storm/internal/tally"
)

// wsEvery is the pause between two messages.
const wsEvery = time.Second

// wsConn is a WebSocket with a goroutine that always reads, so that a close is seen while no message is in flight.
type wsConn struct {
	*websocket.Conn
	messages chan []byte // closed when reading has ended
	err      error       // why reading has ended; read it after messages is closed
}

func openWS(e *env, opened func(*rawhttp.Socket)) (*wsConn, error) {
	c, err := dialWS(e, "/ws", opened)
	if err != nil {
		return nil, err
	}
	w := &wsConn{Conn: c, messages: make(chan []byte, 1)}
	go w.read()
	return w, nil
}

// dialWS opens a WebSocket. The handshake is a request of its own.
func dialWS(e *env, path string, opened func(*rawhttp.Socket)) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), e.Timeout)
	defer cancel()
	transport := &http.Transport{
		DisableKeepAlives: true, // one connection, used once, so nothing is tried again
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			d := net.Dialer{KeepAlive: -1}
			nc, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, &rawhttp.DialError{Err: err}
			}
			socket, err := rawhttp.NewSocket(nc.(*net.TCPConn))
			if err == nil && opened != nil {
				opened(socket)
			}
			return nc, nil
		},
	}
	c, resp, err := websocket.Dial(ctx, "ws://"+e.Plain+path, &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		if resp != nil && resp.StatusCode != http.StatusSwitchingProtocols {
			return nil, fmt.Errorf("%w: status %d", tally.ErrWrong, resp.StatusCode)
		}
		return nil, err
	}
	return c, nil
}

func (w *wsConn) read() {
	defer close(w.messages)
	for {
		_, b, err := w.Read(context.Background())
		if err != nil {
			w.err = err
			return
		}
		w.messages <- b
	}
}

// ended reports whether the server has ended the WebSocket, and whether it said so with a close frame.
func (w *wsConn) ended() (ended, announced bool) {
	select {
	case _, open := <-w.messages:
		if open { // a message that nobody asked for; it makes the next answer a wrong one
			return false, false
		}
		return true, websocket.CloseStatus(w.err) != -1
	default:
		return false, false
	}
}

// say sends a message and waits for it to come back.
func (w *wsConn) say(msg []byte, timeout time.Duration) (received int64, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := w.Write(ctx, websocket.MessageText, msg); err != nil {
		return 0, err
	}
	select {
	case b, open := <-w.messages:
		switch {
		case !open:
			return 0, w.err
		case !bytes.Equal(b, msg):
			return int64(len(b)), fmt.Errorf("%w: got %.40q, want %.40q", tally.ErrWrong, b, msg)
		}
		return int64(len(b)), nil
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

func runWS(e *env, class *Class, i int) {
	c := newClient(e, class, i)
	var w *wsConn
	record := func(start time.Time, received int64, err error) bool {
		if class.Counts.Record(start, time.Now(), received, err) == tally.Answered {
			return true
		}
		if w != nil {
			_ = w.CloseNow()
			w = nil
		}
		c.first.end()
		c.sleep(afterLoss)
		return false
	}
	open := func() bool {
		start := time.Now()
		var err error
		w, err = openWS(e, c.first.opened)
		return record(start, 0, err)
	}
	open()
	more := c.sleep(c.between(0, wsEvery))
	for n := 0; more; n++ {
		if w != nil {
			if ended, announced := w.ended(); ended {
				if announced {
					class.Counts.AnnouncedClose()
				} else {
					class.Counts.ClosedIdle()
				}
				_ = w.CloseNow()
				w = nil
				c.first.end()
			}
		}
		if w != nil || open() {
			start := time.Now()
			received, err := w.say(fmt.Appendf(nil, "message %d of %d", n, i), e.Timeout)
			record(start, received, err)
		}
		more = c.sleep(wsEvery)
	}
	if last := w; last != nil {
		c.first.closeConn = func() { _ = last.CloseNow() }
	}
}
