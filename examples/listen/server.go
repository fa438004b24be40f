package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"time"
)

// A server sends each line back. It stands for a program that has a life cycle
// of its own, and knows nothing of restarts: it is given a listener, started
// and told to finish.
type server struct {
	ctx    context.Context // ends when clients must go
	cancel context.CancelFunc
}

func newServer() *server {
	ctx, cancel := context.WithCancel(context.Background())
	return &server{ctx, cancel}
}

// Start serves clients in the background, until Accept fails.
func (s *server) Start(ln net.Listener) { go s.accept(ln) }

// Finish says goodbye to all clients, and to those who still come. It does not
// wait.
func (s *server) Finish() { s.cancel() }

func (s *server) accept(ln net.Listener) {
	defer ln.Close()
	for {
		c, err := ln.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // such as too many open files
			log.Print(err)
			time.Sleep(10 * time.Millisecond)
			continue
		}
		go s.echo(c)
	}
}

func (s *server) echo(c net.Conn) {
	defer c.Close()
	// A line that is on its way is still answered.
	stop := context.AfterFunc(s.ctx, func() { c.SetReadDeadline(time.Now().Add(time.Second)) })
	defer stop()
	for lines := bufio.NewScanner(c); lines.Scan(); {
		if _, err := fmt.Fprintf(c, "%s from version=%s pid=%d\n", lines.Text(), version, os.Getpid()); err != nil {
			return
		}
	}
	if s.ctx.Err() != nil {
		fmt.Fprintln(c, "bye")
	}
}
