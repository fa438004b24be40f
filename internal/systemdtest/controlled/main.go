// Command controlled is a web server with a control socket, for tests under a real
// systemd. It answers with its PID.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"

	"example.com/restart"
	"example.com/restart/control"
	restarthttp "example.com/restart/http"
)

func main() {
	probation := flag.Duration("probation", 0, "Options.Probation")
	flag.Parse()
	if err := serve(restart.Options{Probation: *probation}); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(options restart.Options) error {
	r, err := restart.New(options)
	if err != nil {
		return err
	}
	if words, err := os.ReadFile("/run/controlled.broken"); err == nil {
		return errors.New(string(words))
	}
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	if _, err := r.Add("web", "tcp", "127.0.0.1:8080", restarthttp.Wrap(&http.Server{Handler: answer})); err != nil {
		return err
	}
	if _, err := control.Add(r, "/run/controlled.sock"); err != nil {
		return err
	}
	return r.Run(context.Background())
}
