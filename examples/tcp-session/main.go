// Command tcp-session counts: it answers each line of a client by the next
// number. Connections and their numbers move from process to process, and
// clients notice nothing of a restart.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"strconv"

	"example.com/restart"
	"example.com/restart/tcp"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	flag.Parse()
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.Add("count", "tcp", *addr, tcp.NewSessions(count)); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func count(_ context.Context, c *tcp.Conn) {
	n, err := restore(c.State())
	if err != nil {
		log.Print(err)
		return
	}
	for {
		// Between two lines is where the connection can move.
		switch err := c.Wait(); {
		case errors.Is(err, tcp.ErrDraining):
			err := c.Move(save(n))
			if err == nil {
				return // the successor goes on from here
			}
			if errors.Is(err, tcp.ErrNoSuccessor) {
				fmt.Fprintln(c, "bye")
				return
			}
			log.Print(err)
			continue // serve on until the client goes or the drain is over
		case err != nil:
			return
		}
		if _, err := c.Reader().ReadString('\n'); err != nil {
			return
		}
		n++
		if _, err := fmt.Fprintf(c, "%d from version=%s pid=%d\n", n, version, os.Getpid()); err != nil {
			return
		}
	}
}

// Another version of this program reads the state, so both versions must know
// its form.

func save(n int) []byte { return strconv.AppendInt(nil, int64(n), 10) }

func restore(state []byte) (int, error) {
	if state == nil {
		return 0, nil // a new client
	}
	return strconv.Atoi(string(state))
}
