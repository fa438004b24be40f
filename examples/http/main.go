// Command http is a web server that restarts so that no client notices. It
// differs from one on net/http alone in the line that starts it.
package main

import (
	"errors"
	"flag"
	"log"
	"net/http"

	restarthttp "example.com/restart/http"
	"example.com/restart/storm/endpoints"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()

	// Any handler will do. This one has what storm asks for: GET /, POST
	// /echo, GET /slow?d=2s, GET /download?n=BYTES and a WebSocket at /ws. Each
	// answer says in the header Served-By which process gave it.
	handler := endpoints.Handler(version)

	err := restarthttp.ListenAndServe(*addr, handler) // instead of http.ListenAndServe
	if !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}
