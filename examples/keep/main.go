// Command keep serves WebSockets, event streams and long polls that go on over a
// restart: the client keeps its connection and gets every message once.
package main

import (
	"context"
	"flag"
	"log"
	"net/http"
	"strconv"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()
	http.HandleFunc("/coder", coder)
	http.HandleFunc("/gorilla", gorilla)
	http.HandleFunc("/gobwas", gobwas)
	http.HandleFunc("/events", events)
	http.HandleFunc("/poll", poll)
	s := restarthttp.NewServer(*addr, nil)
	if err := restarthttp.Serve(context.Background(), s); err != nil {
		log.Fatal(err)
	}
}

// A count is the state of a connection that moves: how many messages it has had.
type count struct{ n int }

func (c *count) save() []byte { return []byte(strconv.Itoa(c.n)) }

func (c *count) load(left []byte) { c.n, _ = strconv.Atoi(string(left)) } // our own
