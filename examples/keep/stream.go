package main

import (
	"fmt"
	"net/http"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// events sends a number every ten milliseconds (server-sent events).
func events(w http.ResponseWriter, r *http.Request) {
	var c count
	if left, resumed := restarthttp.Keep(r, c.save); resumed {
		c.load(left)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	flusher := http.NewResponseController(w)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := flusher.Flush(); err != nil {
			return
		}
		select {
		case <-tick.C:
			c.n++
			fmt.Fprintf(w, "id: %d\ndata: version=%s\n\n", c.n, version)
		case <-restart.Draining(r.Context()):
			return // the successor's handler goes on, with c.save
		case <-r.Context().Done():
			return
		}
	}
}

// poll answers after a while. A wait that is not over goes on in the successor.
func poll(w http.ResponseWriter, r *http.Request) {
	restarthttp.Keep(r, nil)
	select {
	case <-time.After(50 * time.Millisecond):
		fmt.Fprintf(w, "version=%s\n", version)
	case <-restart.Draining(r.Context()):
	case <-r.Context().Done():
	}
}
