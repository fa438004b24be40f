package main

import (
	"fmt"
	"net/http"

	"github.com/lxzan/gws"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var gwsUpgrader = gws.NewUpgrader(gwsEvents{}, nil)

// gwsEvents are called by the library, which keeps errors to itself.
type gwsEvents struct{ gws.BuiltinEventHandler }

// gwsCount names the count in a connection's session.
const gwsCount = "count"

// lxzan does what coder does, with a library that calls back.
func lxzan(w http.ResponseWriter, r *http.Request) {
	c := new(count)
	left, resumed := restarthttp.Keep(r, c.save)
	ws, err := gwsUpgrader.Upgrade(w, r)
	if err != nil {
		return // Upgrade has answered
	}
	if resumed {
		c.load(left)
	}
	ws.Session().Store(gwsCount, c)
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			ws.WriteClose(1001, []byte("restarting"))
		case <-r.Context().Done():
		}
	}()
	ws.ReadLoop() // restarthttp.Moved tells why it has ended
}

// OnMessage implements [gws.Event].
func (gwsEvents) OnMessage(ws *gws.Conn, m *gws.Message) {
	defer m.Close()
	v, _ := ws.Session().Load(gwsCount)
	c := v.(*count)
	if err := ws.WriteString(fmt.Sprintf("%s %d from version=%s", m.Bytes(), c.n+1, version)); err == nil {
		c.n++
	}
}
