// Command kubernetes is a web server for a pod of Kubernetes or a task of Nomad:
// it answers probes, serves on for a while when it is to stop, and restarts in
// place on SIGHUP to read its configuration anew.
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
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	path := flag.String("config", "config.json", "configuration `file`")
	lameDuck := flag.Duration("lame-duck", 15*time.Second, "how long to serve on before a stop")
	hammer := flag.Duration("hammer", restart.DefaultHammerTime, "how long a drain may take")
	flag.Parse()
	if err := run(*addr, *path, restart.Options{LameDuck: *lameDuck, HammerTime: *hammer}); err != nil {
		log.Fatal(err)
	}
}

func run(addr, path string, o restart.Options) error {
	c, err := readConfig(path)
	if err != nil {
		return err
	}
	r, err := restart.New(o)
	if err != nil {
		return err
	}
	checkConfig := func(context.Context, os.Signal) error {
		_, err := readConfig(path)
		return err // an error vetoes the restart
	}
	if err := errors.Join(r.Before(syscall.SIGHUP, checkConfig), restarthttp.SetDefault(r)); err != nil {
		return err
	}

	mux := http.NewServeMux()
	mux.Handle("GET /readyz", restarthttp.ReadyHandler(r))
	mux.Handle("GET /livez", restarthttp.LiveHandler(r))
	mux.HandleFunc("/{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Served-By", fmt.Sprintf("version=%s pid=%d", version, os.Getpid()))
		fmt.Fprintf(w, "%s from version=%s pid=%d\n", c.Greeting, version, os.Getpid())
	})
	return restarthttp.Serve(context.Background(), restarthttp.NewServer(addr, mux))
}
