// Command before is two web servers on facebookgo/grace, as its documentation shows. SIGUSR2 restarts it.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/facebookgo/grace/gracehttp"
)

var (
	addr  = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	admin = flag.String("admin", "127.0.0.1:8081", "TCP `address` for operators")
)

func main() {
	flag.Parse()
	gracehttp.SetLogger(log.Default())
	err := gracehttp.ServeWithOptions(
		[]*http.Server{
			{Addr: *addr, Handler: http.HandlerFunc(hello)},
			{Addr: *admin, Handler: http.DefaultServeMux},
		},
		gracehttp.PreStartProcess(checkConfig),
	)
	if err != nil {
		log.Fatal(err)
	}
	log.Print("bye")
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "pid=%d\n", os.Getpid()) }

func checkConfig() error { return nil }
