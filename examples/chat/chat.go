package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"

	"github.com/coder/websocket"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// A chat is the web server and the room.
type chat struct {
	*restarthttp.Server
	history *history
	left    int // the number of the last message that State has left
}

// ServeHTTP serves one user. In the successor it is called again for a user who
// moves.
func (c *chat) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	sent := c.history.last() // the number of the last message that the user has
	if after := r.FormValue("after"); after != "" {
		sent, _ = strconv.Atoi(after) // a user who has lost the connection comes back
	}
	left, moved := restarthttp.Keep(r, func() []byte { return strconv.AppendInt(nil, int64(sent), 10) })
	if moved {
		sent, _ = strconv.Atoi(string(left)) // our own
	}
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow() // when the connection moves, this lets it go
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		c.listen(ws, r.FormValue("name"))
	}()
	for {
		first, texts, more := c.history.after(sent)
		for i, text := range texts {
			if err := write(ws, first+i, text); err != nil {
				return
			}
			sent = first + i
		}
		select {
		case <-more:
		case <-gone: // or on the way to the successor
			return
		case <-restart.Draining(r.Context()): // it cannot move
			ws.Close(websocket.StatusGoingAway, "restarting")
			return
		}
	}
}

// listen adds to the history what the user says.
func (c *chat) listen(ws *websocket.Conn, name string) {
	for {
		_, b, err := ws.Read(context.Background())
		if err != nil {
			return
		}
		c.history.say(fmt.Sprintf("%s: %s", name, b))
	}
}

func write(ws *websocket.Conn, number int, text string) error {
	return ws.Write(context.Background(), websocket.MessageText, fmt.Appendf(nil, "%d %s", number, text))
}
