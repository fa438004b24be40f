// Command after is the same web server on restart.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var (
	addr    = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	pidFile = flag.String("pid", "", "`file` for the PID")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	r, err := restart.New(restart.Options{
		PIDFile:      *pidFile,
		ReadyTimeout: 30 * time.Second,
		HammerTime:   30 * time.Second,
		ListenConfig: net.ListenConfig{KeepAlive: time.Minute},
	})
	if err != nil {
		return err
	}
	if err := r.Before(syscall.SIGHUP, func(context.Context, os.Signal) error { return checkConfig() }); err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(hello)}
	if _, err := r.Add("web", "tcp", *addr, restarthttp.Wrap(server)); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		select {
		case <-r.Alone():
			sendMail(ctx)
		case <-ctx.Done():
		}
	}()

	return r.Run(context.Background())
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "pid=%d\n", os.Getpid()) }

func checkConfig() error { return nil }

// sendMail must not run in two processes.
func sendMail(ctx context.Context) { <-ctx.Done() }
