// Command after is the same two web servers on restart. SIGHUP restarts it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"syscall"

	restarthttp "example.com/restart/http"
)

var (
	addr  = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	admin = flag.String("admin", "127.0.0.1:8081", "TCP `address` for operators")
)

func main() {
	flag.Parse()
	public := restarthttp.Wrap(&http.Server{Addr: *addr, Handler: http.HandlerFunc(hello)})
	operators := restarthttp.Wrap(&http.Server{Addr: *admin, Handler: http.DefaultServeMux})
	if err := public.Before(syscall.SIGHUP, func(context.Context, os.Signal) error { return checkConfig() }); err != nil {
		log.Fatal(err)
	}
	r, err := restarthttp.Default()
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		<-r.Serving()
		log.Print("ready")
	}()
	if err := restarthttp.Serve(context.Background(), public, operators); err != nil {
		log.Fatal(err)
	}
	log.Print("bye")
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "pid=%d\n", os.Getpid()) }

func checkConfig() error { return nil }
