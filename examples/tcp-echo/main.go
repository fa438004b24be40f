// Command tcp-echo sends each line back. It shows the shortest way to serve a
// protocol of one's own: one function.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"time"

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
	if _, err := r.Add("echo", "tcp", *addr, tcp.New(echo)); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// echo serves a connection that does not move. When the process is replaced,
// echo still answers a line that is on its way. Then it says goodbye, and the
// client can connect anew, to the successor.
func echo(ctx context.Context, c net.Conn) {
	go func() {
		select {
		case <-restart.Draining(ctx):
			c.SetReadDeadline(time.Now().Add(time.Second))
		case <-ctx.Done(): // echo has returned
		}
	}()
	fmt.Fprintf(c, "hello from version=%s pid=%d\n", version, os.Getpid())
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if _, err := fmt.Fprintln(c, lines.Text()); err != nil {
			return
		}
	}
	select {
	case <-restart.Draining(ctx):
		fmt.Fprintln(c, "bye")
	default:
	}
}
