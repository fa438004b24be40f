// Command chi is a web server with the router chi that restarts so that no
// client notices. It differs from any other one in the line that starts it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

// me says which process answers.
func me() string { return fmt.Sprintf("version=%s pid=%d", version, os.Getpid()) }

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()

	router := chi.NewRouter()
	router.Use(middleware.Recoverer, middleware.SetHeader("Served-By", me()))
	router.Get("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello from", me()) })
	router.Get("/slow", slow)

	s := restarthttp.NewServer(*addr, router)
	if err := restarthttp.Serve(context.Background(), s); err != nil { // instead of http.ListenAndServe
		log.Fatal(err)
	}
}

// slow answers after the duration d, as in /slow?d=2s.
func slow(w http.ResponseWriter, r *http.Request) {
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
