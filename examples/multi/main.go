// Command multi has three servers in one binary: a public web server, an
// internal one for operators, and a clock over TCP. They restart together. A
// wrong configuration vetoes the restart.
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
	"syscall"
	"time"

	"example.com/restart"
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
	if err := run(*path, *pidFile); err != nil {
		log.Fatal(err)
	}
}

func run(path, pidFile string) error {
	c, err := readConfig(path)
	if err != nil {
		return err
	}
	r, err := newRestarter(path, pidFile)
	if err != nil {
		return err
	}
	if _, err := r.Add("clock", "tcp", c.Clock, newClock()); err != nil {
		return err
	}
	public := newServer("public", c.Public, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "%s from version=%s pid=%d\n", c.Greeting, version, os.Getpid())
	})
	internal := newServer("internal", c.Internal, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(r.Status().Listeners)
	})
	return restarthttp.Serve(context.Background(), public, internal) // and the clock
}

// newRestarter makes the Restarter that Serve uses.
func newRestarter(path, pidFile string) (*restart.Restarter, error) {
	r, err := restart.New(restart.Options{PIDFile: pidFile})
	if err != nil {
		return nil, err
	}
	checkConfig := func(context.Context, os.Signal) error {
		_, err := readConfig(path)
		return err // an error vetoes the restart
	}
	logSuccessor := func(context.Context, os.Signal) error {
		if s := r.Status(); s.Successor != 0 {
			log.Printf("process %d took over", s.Successor)
		}
		return nil
	}
	err = errors.Join(
		r.Before(syscall.SIGHUP, checkConfig),
		r.After(syscall.SIGHUP, logSuccessor),
		restarthttp.SetDefault(r),
	)
	return r, err
}

// newServer makes a server whose listener is known by its name, so that its
// address may change from one generation to the next.
func newServer(name, addr string, h http.HandlerFunc) *restarthttp.Server {
	s := restarthttp.NewServer(addr, h)
	s.Name = name
	s.HTTP.ReadHeaderTimeout = 10 * time.Second // any field of http.Server
	s.BeforeBegin = func(address string) { log.Printf("%s begins on %s", name, address) }
	return s
}
