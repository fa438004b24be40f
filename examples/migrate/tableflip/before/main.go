// Command before is a web server on tableflip, as its documentation shows, with work that only one process may do.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloudflare/tableflip"
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
	upg, err := tableflip.New(tableflip.Options{PIDFile: *pidFile, UpgradeTimeout: 30 * time.Second})
	if err != nil {
		return err
	}
	defer upg.Stop()
	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM)
		for sig := range signals {
			if sig == syscall.SIGTERM {
				upg.Stop()
				return
			}
			if err := checkConfig(); err != nil {
				log.Print("no upgrade: ", err)
				continue
			}
			if err := upg.Upgrade(); err != nil {
				log.Print("upgrade failed: ", err)
			}
		}
	}()

	ln, err := upg.ListenWithCallback("tcp", *addr, func(network, addr string) (net.Listener, error) {
		config := net.ListenConfig{KeepAlive: time.Minute}
		return config.Listen(context.Background(), network, addr)
	})
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(hello)}
	go func() {
		if err := server.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Print(err)
		}
	}()
	if err := upg.Ready(); err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() {
		if err := upg.WaitForParent(ctx); err == nil {
			sendMail(ctx)
		}
	}()

	<-upg.Exit()
	deadline, done := context.WithTimeout(context.Background(), 30*time.Second)
	defer done()
	return server.Shutdown(deadline)
}

func hello(w http.ResponseWriter, _ *http.Request) { fmt.Fprintf(w, "pid=%d\n", os.Getpid()) }

func checkConfig() error { return nil }

// sendMail must not run in two processes.
func sendMail(ctx context.Context) { <-ctx.Done() }
