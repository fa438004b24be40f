package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"

	"example.com/restart"
	"example.com/restart/control"
	restarthttp "example.com/restart/http"
	"example.com/restart/tcp"
)

// serve is the server that is measured: a web server, as many other listeners as wanted, and a control socket. The first
// process prints the address of the web server when it serves.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	socket := flags.String("control", "", "`path` of the control socket")
	listeners := flags.Int("listeners", 1, "`number` of listeners")
	_ = flags.Parse(args) // exits
	r, err := restart.New(restart.Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		return err
	}
	if _, err := control.Add(r, *socket); err != nil {
		return err
	}
	hello := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, os.Getpid()) })
	addr, err := r.Add("web", "tcp", "127.0.0.1:0", restarthttp.Wrap(&http.Server{Handler: hello}))
	if err != nil {
		return err
	}
	for i := 1; i < *listeners; i++ {
		s := tcp.New(func(_ context.Context, c net.Conn) { c.Close() })
		if _, err := r.Add(fmt.Sprint("l", i), "tcp", "127.0.0.1:0", s); err != nil {
			return err
		}
	}
	if r.Status().Generation == 1 {
		go func() {
			<-r.Serving()
			fmt.Println(addr)
		}()
	}
	return r.Run(context.Background())
}
