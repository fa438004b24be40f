// Command events is a web server that sends events (server-sent events). Streams
// go on over a restart. A client whose stream has ended connects anew and says
// what it has, as browsers do by themselves, and gets what came after that.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"strconv"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()
	http.HandleFunc("GET /events", events)
	server := restarthttp.NewServer(*addr, nil)
	if err := restarthttp.Serve(context.Background(), server); err != nil {
		log.Fatal(err)
	}
}

// Event n happens at n times this, so every process knows the same events. In
// earnest they come from something that all processes can read again: a database,
// a broker, a log.
const every = 20 * time.Millisecond

// remembered is how many events a client may be behind.
const remembered = 10_000

func latest() int64 { return time.Now().UnixNano() / int64(every) }

func events(w http.ResponseWriter, r *http.Request) {
	sent := latest()
	if has := r.Header.Get("Last-Event-ID"); has != "" { // the client's stream had ended
		n, err := strconv.ParseInt(has, 10, 64)
		if err != nil {
			http.Error(w, "Last-Event-ID: "+err.Error(), http.StatusBadRequest)
			return
		}
		sent = max(n, sent-remembered)
	}
	left, moved := restarthttp.Keep(r, func() []byte { return strconv.AppendInt(nil, sent, 10) })
	if moved { // the client's stream goes on
		sent, _ = strconv.ParseInt(string(left), 10, 64) // our own
	}
	w.Header().Set("Content-Type", "text/event-stream")
	stream := http.NewResponseController(w)
	for {
		if err := stream.Flush(); err != nil {
			return
		}
		next := time.Unix(0, (sent+1)*int64(every))
		select {
		case <-time.After(time.Until(next)):
			fmt.Fprintf(w, "id: %d\ndata: from version=%s\n\n", sent+1, version)
			sent++
		case <-restart.Draining(r.Context()): // moves, or ends if it cannot
			return
		case <-r.Context().Done():
			return
		}
	}
}
