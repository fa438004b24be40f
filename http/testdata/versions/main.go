// Versions serves HTTP and sessions in a program that is built with different
// versions of the library. Its source compiles with all of them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/tcp"
)

var version = "?" // set by the linker

func main() {
	fmt.Printf("start pid=%d\n", os.Getpid())
	r, err := restart.New(restart.Options{Logger: slog.New(slog.NewTextHandler(os.Stdout, nil))})
	if err != nil {
		log.Fatal(err)
	}
	web := restarthttp.NewServer("", http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d", version, os.Getpid())
	}))
	web.Linger = 200 * time.Millisecond
	for name, service := range map[string]restart.Service{"web": web, "count": tcp.NewSessions(count)} {
		if _, err := r.Add(name, "tcp", "127.0.0.1:0", service); err != nil {
			log.Fatal(err)
		}
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// count answers each line by the version and the number of lines so far.
func count(_ context.Context, c *tcp.Conn) {
	n, _ := strconv.Atoi(string(c.State()))
	for {
		switch err := c.Wait(); {
		case errors.Is(err, tcp.ErrDraining):
			if c.Move([]byte(strconv.Itoa(n))) == nil {
				return
			}
			continue
		case err != nil:
			return
		}
		if _, err := c.Reader().ReadString('\n'); err != nil {
			return
		}
		n++
		fmt.Fprintln(c, version, n)
	}
}
