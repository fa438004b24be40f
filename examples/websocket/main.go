// Command websocket sends each message back over a WebSocket. A process that is
// replaced closes its WebSockets with status 1001, "going away", and the clients
// connect anew, to the new process.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net/http"
	"os"

	"github.com/coder/websocket"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

var version = "1" // go build -ldflags "-X main.version=2"

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	session := flag.Int("session", 0, "be a client that stays for so many `messages`, coming back when told to")
	flag.Parse()
	if *session > 0 {
		if err := chat("ws://"+*addr, *session, os.Stdin); err != nil {
			log.Fatal(err)
		}
		return
	}
	s := restarthttp.NewServer(*addr, http.HandlerFunc(echo))
	if err := restarthttp.Serve(context.Background(), s); err != nil {
		log.Fatal(err)
	}
}

func echo(w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // Accept has answered
	}
	defer c.CloseNow()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	// The handler owns the connection, so the handler must say goodbye.
	go func() {
		select {
		case <-restart.Draining(r.Context()):
			c.Close(websocket.StatusGoingAway, "restarting")
		case <-ctx.Done():
		}
	}()
	for {
		_, b, err := c.Read(ctx)
		if err != nil {
			return
		}
		answer := fmt.Appendf(nil, "%s from version=%s pid=%d", b, version, os.Getpid())
		if err := c.Write(ctx, websocket.MessageText, answer); err != nil {
			return
		}
	}
}
