package main

import (
	"fmt"
	"net/http"

	"golang.org/x/net/websocket"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// xnet does what coder does, with a library that closes the connection when the
// handler returns.
func xnet(w http.ResponseWriter, r *http.Request) {
	var c count
	left, resumed := restarthttp.Keep(r, c.save)
	if resumed {
		c.load(left)
	}
	websocket.Server{Handler: func(ws *websocket.Conn) {
		go func() {
			select {
			case <-restart.Draining(r.Context()):
				ws.WriteClose(1001)
			case <-r.Context().Done():
			}
		}()
		for {
			var m string
			if err := websocket.Message.Receive(ws, &m); err != nil {
				return
			}
			if err := websocket.Message.Send(ws, fmt.Sprintf("%s %d from version=%s", m, c.n+1, version)); err != nil {
				return
			}
			c.n++
		}
	}}.ServeHTTP(w, r)
}
