package main

import (
	"fmt"
	"net/http"
	"sync"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// news is what was said last. Who polls waits for the next.
var news struct {
	sync.Mutex
	text string
	next chan struct{} // closed when there is more
}

func init() { news.next = make(chan struct{}) }

// say is POST /say.
func say(w http.ResponseWriter, r *http.Request) {
	news.Lock()
	defer news.Unlock()
	news.text = r.FormValue("text")
	close(news.next)
	news.next = make(chan struct{})
}

// poll is GET /poll, a long poll. A wait that is not over goes on in the successor:
// the request is asked again there.
func poll(w http.ResponseWriter, r *http.Request) {
	restarthttp.Keep(r, nil)
	news.Lock()
	next := news.next
	news.Unlock()
	select {
	case <-next:
		news.Lock()
		defer news.Unlock()
		fmt.Fprintf(w, "%s from version=%s\n", news.text, version)
	case <-restart.Draining(r.Context()): // it moves, or is answered by nothing
	case <-r.Context().Done():
	}
}
