// Command http is a web server that restarts so that no client notices. It
// differs from one on net/http in the line that starts it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/storm/endpoints"
)

var version = "1" // go build -ldflags "-X main.version=2"

var me string // this process, as its answers name it

func main() {
	me = fmt.Sprintf("version=%s pid=%d", version, os.Getpid())
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	cert := flag.String("cert", "", "`file` of a certificate: serve HTTPS, with the key in the file of -key")
	key := flag.String("key", "", "`file` of the certificate's key")
	flag.Parse()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", hello)
	mux.HandleFunc("GET /slow", slow)
	// The load generator storm needs some more endpoints: POST /echo, GET
	// /download, and WebSockets that move.
	mux.Handle("/", endpoints.Hooks{Keep: restarthttp.Keep, Draining: restart.Draining}.Handler(version))

	restarthttp.DefaultMoveTLS = true // connections with TLS move too: see docs/security.md
	var err error
	if *cert == "" {
		err = restarthttp.ListenAndServe(*addr, mux) // instead of http.ListenAndServe
	} else {
		err = restarthttp.ListenAndServeTLS(*addr, *cert, *key, mux)
	}
	if !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// hello says which process answers.
func hello(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Served-By", me)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	fmt.Fprintln(w, "hello from", me)
}

// slow answers after the duration d, as in /slow?d=2s. A process that is
// replaced finishes such requests before it ends.
func slow(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Served-By", me)
	d, err := time.ParseDuration(r.FormValue("d"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(d):
		fmt.Fprintln(w, "done")
	case <-r.Context().Done(): // the client has gone
	}
}
