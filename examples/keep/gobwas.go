package main

import (
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// gobwas does what coder does, with a library that leaves the connection to its
// user.
func gobwas(w http.ResponseWriter, r *http.Request) {
	var c count
	left, resumed := restarthttp.Keep(r, c.save)
	conn, _, _, err := ws.UpgradeHTTP(r, w)
	if err != nil {
		return // UpgradeHTTP has answered
	}
	defer conn.Close()
	if resumed {
		c.load(left)
	}
	var writing sync.Mutex
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			writing.Lock()
			defer writing.Unlock()
			conn.SetWriteDeadline(time.Now().Add(time.Second))
			ws.WriteFrame(conn, ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusGoingAway, "restarting")))
		case <-r.Context().Done():
		}
	}()
	for {
		b, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		writing.Lock()
		err = wsutil.WriteServerText(conn, fmt.Appendf(nil, "%s %d from version=%s", b, c.n+1, version))
		writing.Unlock()
		if err != nil {
			return
		}
		c.n++
	}
}
