// Command after is the same web server on restart. SIGHUP replaces it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"time"

	restarthttp "example.com/restart/http"
)

var addr = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")

func main() {
	flag.Parse()
	server := &http.Server{Addr: *addr, Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 5 * time.Second}

	restarthttp.DefaultHammerTime = 30 * time.Second
	if err := restarthttp.Serve(context.Background(), restarthttp.Wrap(server)); err != nil {
		log.Fatal(err)
	}
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "pid=%d\n", os.Getpid()) }
