// Command before is a web server on overseer, as its documentation shows, with a file that only one process may have.
// SIGUSR2 to the master restarts it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/jpillora/overseer"
)

var (
	addr = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	data = flag.String("data", "", "`file` of the data")
)

func main() {
	flag.Parse()
	overseer.Run(overseer.Config{
		Required:         true,
		Program:          program,
		Address:          *addr,
		TerminateTimeout: 10 * time.Second,
	})
}

func program(state overseer.State) {
	log.Printf("binary %s, started %v", state.ID, state.StartedAt)
	file, err := open(*data)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "pid=%d\n", os.Getpid())
	})}
	go func() {
		<-state.GracefulShutdown
		_ = server.Shutdown(context.Background())
	}()
	_ = server.Serve(state.Listener) // the error of a closed listener
}

// open returns the file when no other process has it.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return file, syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
}
