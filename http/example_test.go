package restarthttp_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// The drop-in: two lines differ from a program on net/http.
func ExampleListenAndServe() {
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "hello")
	})
	err := restarthttp.ListenAndServe(":8080", nil) // instead of http.ListenAndServe
	if !errors.Is(err, http.ErrServerClosed) {      // after each good restart
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

// Several servers restart together. Serve returns nil after a good restart.
func ExampleServe() {
	public := restarthttp.NewServer(":8443", http.NotFoundHandler())
	public.CertFile, public.KeyFile = "cert.pem", "key.pem"
	admin := restarthttp.NewServer("127.0.0.1:8081", nil)
	if err := restarthttp.Serve(context.Background(), public, admin); err != nil {
		log.Fatal(err)
	}
}

// A server with time-outs, a name that lets its address change, and a hook that
// checks the configuration before a restart.
func ExampleNewServer() {
	s := restarthttp.NewServer(os.Getenv("ADDRESS"), http.NotFoundHandler())
	s.Name = "web"
	s.HTTP.ReadHeaderTimeout = 10 * time.Second
	s.BeforeBegin = func(address string) { log.Print("listening on ", address) }
	err := s.Before(syscall.SIGHUP, func(context.Context, os.Signal) error {
		_, err := os.Stat("app.conf")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := restarthttp.Serve(context.Background(), s); err != nil {
		log.Fatal(err)
	}
}

// Options go to a Restarter that the program makes.
func ExampleSetDefault() {
	r, err := restart.New(restart.Options{PIDFile: "/run/web.pid"})
	if err == nil {
		err = restarthttp.SetDefault(r)
	}
	if err == nil {
		err = restarthttp.Serve(context.Background(), restarthttp.NewServer(":8080", nil))
	}
	if err != nil {
		log.Fatal(err)
	}
}

// A handler that stays on one connection ends when its process drains.
func Example_events() {
	http.HandleFunc("/events", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				fmt.Fprintf(w, "data: %s\n\n", now.Format(time.TimeOnly))
				http.NewResponseController(w).Flush()
			case <-restart.Draining(r.Context()):
				return // the client reconnects, to the successor
			case <-r.Context().Done():
				return
			}
		}
	})
}
