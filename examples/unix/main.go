// Command unix is a web server on a Unix socket. The path stays while one
// process replaces another. The last process removes it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	path := flag.String("socket", "unix.sock", "`path` to listen on")
	flag.Parse()
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	s := restarthttp.Wrap(&http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "hello from version=%s pid=%d\n", version, os.Getpid())
	})})
	if _, err := r.Add("api", "unix", *path, s); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
