// Command after is the same web server on restart.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
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

	restarthttp.DefaultReadTimeout = 10 * time.Second
	r, err := restart.New(restart.Options{PIDFile: *pidFile, HammerTime: 30 * time.Second})
	if err != nil {
		log.Fatal(err)
	}
	if err := restarthttp.SetDefault(r); err != nil {
		log.Fatal(err)
	}
	server := restarthttp.NewServer(*addr, http.DefaultServeMux)
	if err := server.Before(syscall.SIGUSR1, func(context.Context, os.Signal) error { logRequests(); return nil }); err != nil {
		log.Fatal(err)
	}
	if err := restarthttp.Serve(context.Background(), server); err != nil {
		log.Fatal(err) // a failure, never a good restart
	}
	logRequests()
}

func logRequests() { log.Printf("%d requests", requests.Load()) }

// stop is the command "stop".
func stop() error {
	b, err := os.ReadFile(*pidFile)
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return err
	}
	return syscall.Kill(pid, syscall.SIGTERM) // the program removes the file
}
