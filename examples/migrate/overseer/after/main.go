// Command after is the same web server on restart. SIGHUP restarts it.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var (
	addr = flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	data = flag.String("data", "", "`file` of the data")
)

func main() {
	flag.Parse()
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	r, err := restart.New(restart.Options{HammerTime: 10 * time.Second})
	if err != nil {
		return err
	}
	status := r.Status()
	log.Printf("version %s, generation %d", status.Version, status.Generation)
	var file atomic.Pointer[os.File] // nil while an old process has it
	go func() {
		<-r.Alone()
		f, err := open(*data)
		if err != nil {
			log.Print(err)
			r.Shutdown()
		}
		file.Store(f)
	}()
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "pid=%d\n", os.Getpid())
	})}
	if _, err := r.Add("web", "tcp", *addr, restarthttp.Wrap(server)); err != nil {
		return err
	}
	err = r.Run(context.Background())
	if f := file.Load(); f != nil {
		f.Close()
	}
	return err
}

// open returns the file when no other process has it.
func open(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	return file, syscall.Flock(int(file.Fd()), syscall.LOCK_EX)
}
