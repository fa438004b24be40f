package control_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"os"

	"example.com/restart"
	"example.com/restart/control"
	restarthttp "example.com/restart/http"
)

// A program with a control socket, whose status page its operators also see in a
// browser.
func ExampleAdd() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctl, err := control.Add(r, "/run/myserver.sock")
	if err != nil {
		log.Fatal(err)
	}
	internal := http.NewServeMux()
	internal.Handle("GET /debug/restart", ctl.StatusPage())
	if _, err := r.Add("internal", "tcp", "127.0.0.1:8081", restarthttp.Wrap(&http.Server{Handler: internal})); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// The drop-in with "myserver -reload".
func ExampleAddDefault() {
	const socket = "/run/myserver.sock"
	if len(os.Args) > 1 && os.Args[1] == "-reload" {
		replaced, err := control.Client{Path: socket}.Restart(context.Background(), control.RestartOptions{})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("process", replaced.Successor, "serves")
		return
	}
	if _, err := control.AddDefault(socket); err != nil {
		log.Fatal(err)
	}
	if err := restarthttp.Serve(context.Background(), restarthttp.NewServer(":8080", nil)); err != nil {
		log.Fatal(err)
	}
}
