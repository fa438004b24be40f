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

// echo stays in the process in which it began. When that is replaced, a line
// that is on its way is still answered, and then the client is told to come
// back: it will find the successor.
func echo(ctx context.Context, c net.Conn) {
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now().Add(time.Second)) })
	defer stop()
	fmt.Fprintf(c, "hello from version=%s pid=%d\n", version, os.Getpid())
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if _, err := fmt.Fprintln(c, lines.Text()); err != nil {
			return
		}
	}
	if ctx.Err() != nil {
		fmt.Fprintln(c, "bye")
	}
}
