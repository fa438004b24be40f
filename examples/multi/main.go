// Command multi is three servers in one binary: a public one, an internal one
// for operators, and one that is no web server. They restart together. Before
// that the configuration is read: one that is wrong keeps SIGHUP from doing
// anything.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

type config struct {
	Greeting string `json:"greeting"`
	Public   string `json:"public"` // addresses
	Internal string `json:"internal"`
	Clock    string `json:"clock"`
}

func readConfig(path string) (config, error) {
	var c config
	b, err := os.ReadFile(path)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("%s: %w", path, err)
	}
	if c.Greeting == "" {
		return c, fmt.Errorf("%s: the greeting is missing", path)
	}
	return c, nil
}

func main() {
	path := flag.String("config", "multi.json", "configuration `file`")
	pidFile := flag.String("pidfile", "", "`file` for the PID, none if empty")
	flag.Parse()
	c, err := readConfig(*path)
	if err != nil {
		log.Fatal(err)
	}

	restarthttp.DefaultOptions.PIDFile = *pidFile
	r, err := restarthttp.Default()
	if err != nil {
		log.Fatal(err)
	}
	r.Before(syscall.SIGHUP, func(context.Context, os.Signal) error {
		_, err := readConfig(*path)
		return err // not nil: nothing is restarted
	})
	r.After(syscall.SIGHUP, func(context.Context, os.Signal) error {
		if s := r.Status(); s.Successor != 0 {
			log.Printf("process %d took over", s.Successor)
		}
		return nil
	})

	if _, err := r.Add("clock", "tcp", c.Clock, newClock()); err != nil {
		log.Fatal(err)
	}
	public := newServer("public", c.Public, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s from version=%s pid=%d\n", c.Greeting, version, os.Getpid())
	})
	internal := newServer("internal", c.Internal, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(r.Status().Listeners)
	})

	var servers sync.WaitGroup
	for _, s := range []*restarthttp.Server{public, internal} {
		servers.Go(func() {
			if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
				log.Fatal(err)
			}
		})
	}
	servers.Wait() // all of them return together
}

// newServer makes a server whose listener is known by its name, so that its
// address may change from one generation to the next.
func newServer(name, addr string, h http.HandlerFunc) *restarthttp.Server {
	s := restarthttp.NewServer(addr, h)
	s.Name = name
	s.ReadHeaderTimeout = 10 * time.Second // every field of http.Server is there
	s.BeforeBegin = func(address string) { log.Printf("%s begins on %s", name, address) }
	return s
}
