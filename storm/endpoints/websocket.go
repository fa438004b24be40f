package endpoints

import (
	"context"
	"net/http"
	"strconv"

	"github.com/coder/websocket"
)

// Hooks are what a library for restarts offers to handlers that last. This package knows no such library, so the server
// passes the functions. The zero value has none of them: WebSockets then end with their process.
type Hooks struct {
	// Keep lets the WebSocket of a request go on in the successor, with what save returns. It is called before the upgrade.
	// In the successor it returns what save has left, and true.
	Keep func(r *http.Request, save func() []byte) (left []byte, resumed bool)
	// Draining returns a channel that is closed when the handler is to say goodbye.
	Draining func(context.Context) <-chan struct{}
}

func (h Hooks) keep(r *http.Request, save func() []byte) (left []byte, resumed bool) {
	if h.Keep == nil {
		return nil, false
	}
	return h.Keep(r, save)
}

func (h Hooks) draining(ctx context.Context) <-chan struct{} {
	if h.Draining == nil {
		return nil // blocks for ever
	}
	return h.Draining(ctx)
}

// echo sends each message back.
func (h Hooks) echo(w http.ResponseWriter, r *http.Request) {
	h.keep(r, nil)
	h.converse(w, r, func(b []byte) []byte { return b }, func() {})
}

// count sends each message back behind its number. The number goes on in the successor.
func (h Hooks) count(w http.ResponseWriter, r *http.Request) {
	n := 0
	left, resumed := h.keep(r, func() []byte { return strconv.AppendInt(nil, int64(n), 10) })
	if resumed {
		n, _ = strconv.Atoi(string(left)) // if it is not a number, the client sees that
	}
	h.converse(w, r, func(b []byte) []byte {
		return append(strconv.AppendInt(nil, int64(n+1), 10), append([]byte{' '}, b...)...)
	}, func() { n++ })
}

// converse answers each message, until the client or a restart ends the WebSocket. It calls answered when an answer is
// written.
func (h Hooks) converse(w http.ResponseWriter, r *http.Request, answer func([]byte) []byte, answered func()) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer func() { _ = c.CloseNow() }()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-h.draining(r.Context()):
			_ = c.Close(websocket.StatusGoingAway, "restarting")
		case <-ctx.Done():
		}
	}()
	for {
		kind, b, err := c.Read(ctx)
		if err != nil {
			return
		}
		if err := c.Write(ctx, kind, answer(b)); err != nil {
			return
		}
		answered()
	}
}
