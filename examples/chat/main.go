// Command chat is a chat room over WebSockets. Users keep their connections over
// a restart. The room is in memory and moves too, so that everybody gets every
// message once and in the same order.
package main

import (
	"context"
	"flag"
	"log"
	"os"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "TCP `address` to listen on")
	name := flag.String("join", "", "be a user of this `name`, who says each line of standard input")
	flag.Parse()
	if *name != "" {
		if err := join("ws://"+*addr+"/?name="+*name, os.Stdin); err != nil {
			log.Fatal(err)
		}
		return
	}
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	c := &chat{history: newHistory()}
	c.Server = restarthttp.NewServer(*addr, c)
	if _, err := r.Add("chat", "tcp", *addr, c); err != nil {
		log.Fatal(err)
	}
	go func() {
		<-r.Alone() // at the latest now: a predecessor that was killed leaves nothing
		c.history.finish()
	}()
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
