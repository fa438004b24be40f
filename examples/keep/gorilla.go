package main

import (
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var upgrader websocket.Upgrader

// gorilla does what coder does, with another library.
func gorilla(w http.ResponseWriter, r *http.Request) {
	var c count
	left, resumed := restarthttp.Keep(r, c.save)
	ws, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return // Upgrade has answered
	}
	defer ws.Close()
	if resumed {
		c.load(left)
	}
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			goodbye := websocket.FormatCloseMessage(websocket.CloseGoingAway, "restarting")
			ws.WriteControl(websocket.CloseMessage, goodbye, time.Now().Add(time.Second))
		case <-r.Context().Done():
		}
	}()
	for {
		_, b, err := ws.ReadMessage()
		if err != nil {
			return
		}
		if err := ws.WriteMessage(websocket.TextMessage, fmt.Appendf(nil, "%s %d from version=%s", b, c.n+1, version)); err != nil {
			return
		}
		c.n++
	}
}
