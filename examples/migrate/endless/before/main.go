// Command before is a web server on endless, as its documentation shows, with what such programs grow: a PID file, a
// signal hook, a command that stops it, and signal code of their own.
package main

import (
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/fvbock/endless"
)

var (
	addr     = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	pidFile  = flag.String("pid", "", "`file` for the PID")
	requests atomic.Int64
)

func main() {
	flag.Parse()
	if flag.Arg(0) == "stop" {
		if err := stop(); err != nil {
			log.Fatal(err)
		}
		return
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		requests.Add(1)
		fmt.Fprintf(w, "pid=%d\n", os.Getpid())
	})

	stopping := make(chan os.Signal, 1)
	signal.Notify(stopping, syscall.SIGTERM, syscall.SIGINT)
	go func() {
		<-stopping
		logRequests()
	}()

	endless.DefaultReadTimeOut = 10 * time.Second
	endless.DefaultHammerTime = 30 * time.Second
	server := endless.NewServer(*addr, http.DefaultServeMux)
	server.BeforeBegin = func(string) {
		if err := os.WriteFile(*pidFile, []byte(strconv.Itoa(os.Getpid())), 0o644); err != nil {
			log.Print(err)
		}
	}
	if err := server.RegisterSignalHook(endless.PRE_SIGNAL, syscall.SIGUSR1, logRequests); err != nil {
		log.Fatal(err)
	}
	if err := server.ListenAndServe(); err != nil {
		log.Print(err) // after each good restart too
	}
}

func logRequests() { log.Printf("%d requests", requests.Load()) }

// stop is the command "stop".
func stop() error {
	b, err := os.ReadFile(*pidFile)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(b))
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		return err
	}
	return os.Remove(*pidFile)
}
