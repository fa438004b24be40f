// Command tls is an HTTPS server, with HTTP/2, that restarts. Each generation
// reads the certificate anew: a restart is also the way to renew it.
package main

import (
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8443", "TCP `address` to listen on")
	cert := flag.String("cert", "cert.pem", "`file` with the certificate")
	key := flag.String("key", "key.pem", "`file` with its key")
	flag.Parse()

	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", hello)
	mux.HandleFunc("GET /slow", slow)

	err := restarthttp.ListenAndServeTLS(*addr, *cert, *key, mux) // instead of http.ListenAndServeTLS
	if !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func hello(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Served-By", fmt.Sprintf("version=%s pid=%d", version, os.Getpid()))
	fmt.Fprintf(w, "hello over %s from version=%s pid=%d\n", r.Proto, version, os.Getpid())
}

// slow answers after d, as in /slow?d=2s.
func slow(w http.ResponseWriter, r *http.Request) {
	d, err := time.ParseDuration(r.FormValue("d"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	select {
	case <-time.After(d):
		hello(w, r)
	case <-r.Context().Done():
	}
}
