package http_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	restarthttp "example.com/restart/http"
)

// The drop-in: one line differs from a program on net/http.
func ExampleListenAndServe() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	})
	err := restarthttp.ListenAndServe(":8080", nil) // instead of http.ListenAndServe
	if !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// HTTPS and HTTP/2. A restart also reads a renewed certificate.
func ExampleListenAndServeTLS() {
	err := restarthttp.ListenAndServeTLS(":8443", "cert.pem", "key.pem", nil)
	if !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// A server with time-outs, a name that lets its address change, and a hook that
// checks the configuration before a restart.
func ExampleNewServer() {
	s := restarthttp.NewServer(os.Getenv("ADDRESS"), http.NotFoundHandler())
	s.Name = "web"
	s.ReadHeaderTimeout = 10 * time.Second // every field of http.Server is there
	s.BeforeBegin = func(address string) { log.Print("listening on ", address) }
	err := s.Before(syscall.SIGHUP, func(context.Context, os.Signal) error {
		_, err := os.Stat("app.conf")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

// Several servers in one program restart together, and all ListenAndServe calls
// return together.
func ExampleServer_ListenAndServe() {
	restarthttp.DefaultHammerTime = 5 * time.Minute
	restarthttp.DefaultOptions.PIDFile = "/run/web.pid"
	var servers sync.WaitGroup
	for name, addr := range map[string]string{"public": ":8080", "admin": "127.0.0.1:8081"} {
		s := restarthttp.NewServer(addr, nil)
		s.Name = name
		servers.Go(func() {
			if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				log.Fatal(err)
			}
		})
	}
	servers.Wait()
}

// A handler that stays on one connection ends when its process drains.
func ExampleDraining() {
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				fmt.Fprintf(w, "data: %s\n\n", now.Format(time.TimeOnly))
				http.NewResponseController(w).Flush()
			case <-restarthttp.Draining(r.Context()):
				return // the client reconnects, to the successor
			case <-r.Context().Done():
				return
			}
		}
	})
}
