// Command before is a web server that stops in good order, in the way of the documentation of http.Server.Shutdown. To
// replace it, one stops it and starts it again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

var addr = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")

func main() {
	flag.Parse()
	server := &http.Server{Addr: *addr, Handler: http.HandlerFunc(hello), ReadHeaderTimeout: 5 * time.Second}

	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		<-stop.Done()
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			log.Print(err)
		}
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-drained
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "pid=%d\n", os.Getpid()) }
