// Command grace is the test server on github.com/facebookgo/grace, as its documentation shows. SIGUSR2 restarts it.
package main

import (
	"flag"
	"log"
	"net/http"

	"github.com/facebookgo/grace/gracehttp"

	"example.com/restart/storm/endpoints"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address")
	flag.Parse()
	if err := gracehttp.Serve(&http.Server{Addr: *addr, Handler: endpoints.Handler("grace")}); err != nil {
		log.Fatal(err)
	}
}
