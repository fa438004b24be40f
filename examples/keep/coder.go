package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/coder/websocket"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// coder sends each message back with its number.
func coder(w http.ResponseWriter, r *http.Request) {
	var c count
	left, resumed := restarthttp.Keep(r, c.save) // before the upgrade
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer ws.CloseNow() // after ErrMoved this moves the connection
	if resumed {
		c.load(left)
	}
	go func() {
		select {
		case <-restart.Draining(r.Context()): // it cannot move
			ws.Close(websocket.StatusGoingAway, "restarting")
		case <-r.Context().Done():
		}
	}()
	for {
		_, b, err := ws.Read(context.Background())
		if err != nil {
			return // restarthttp.ErrMoved says that the client has not left
		}
		answer := fmt.Appendf(nil, "%s %d from version=%s", b, c.n+1, version)
		if err := ws.Write(context.Background(), websocket.MessageText, answer); err != nil {
			return
		}
		c.n++
	}
}
