package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/storm/endpoints"
)

// serve is the server that is restarted: plain HTTP and TLS. All processes share standard output and write lines there.
//
//	serving ADDRESS TLS-ADDRESS     the first process serves
//	open N TLS-N                    it has accepted a connection, and has so many
//	undone ERROR                    it serves again
//	accepted                        a successor has accepted a connection
//	closed                          it has closed one
//	stopped PID                     it stops itself
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ExitOnError)
	bad := flags.String("bad", "", "`name` of what successors do")
	_ = flags.Parse(args) // exits
	r, err := restart.New(restart.Options{
		Probation: time.Hour, HammerTime: time.Second, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	certificate, err := endpoints.Certificate()
	if err != nil {
		return err
	}
	s := &server{r: r, bad: *bad, first: r.Status().Generation == 1}
	handler := s.spoil(endpoints.Hooks{Keep: restarthttp.Keep, Draining: restart.Draining}.Handler("probation"))
	plain := &http.Server{Handler: handler, ConnState: s.connState}
	if _, err := r.Add("plain", "tcp", "127.0.0.1:0", counted{restarthttp.Wrap(plain), s}); err != nil {
		return err
	}
	config := &tls.Config{Certificates: []tls.Certificate{certificate}}
	encrypted := &restarthttp.Server{HTTP: &http.Server{Handler: handler, TLSConfig: config}, TLS: true}
	if _, err := r.Add("tls", "tcp", "127.0.0.1:0", encrypted); err != nil {
		return err
	}
	go s.onceServing()
	if err := r.Run(context.Background()); err != nil && s.first {
		return err
	}
	return nil
}

// A server is one process. The first one is good; its successors are bad in some way.
type server struct {
	r     *restart.Restarter
	bad   string
	first bool

	requests atomic.Int64
	doomed   atomic.Bool // it does at the next connection what the bad release does
}

func (s *server) onceServing() {
	<-s.r.Serving()
	switch {
	case s.first:
		l := s.r.Status().Listeners
		s.r.OnEvent(func(e restart.Event) {
			if e.Kind == restart.EventUndone {
				fmt.Printf("undone %v\n", e.Err)
			}
		})
		asked := make(chan os.Signal, 1)
		signal.Notify(asked, syscall.SIGUSR1)
		fmt.Printf("serving %s %s\n", l[0].Address, l[1].Address)
		for range asked {
			if err := s.r.Undo("it hangs"); err != nil {
				log.Fatal("server: ", err)
			}
		}
	case s.bad == "late":
		time.Sleep(time.Second)
		s.doomed.Store(true)
	}
}

// spoil makes a handler bad.
func (s *server) spoil(h http.Handler) http.Handler {
	if s.first {
		return h
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n := s.requests.Add(1)
		switch s.bad {
		case "crash", "stopped":
			s.doomed.Store(true)
			select {}
		case "hang":
			select {}
		case "undo":
			if n == 10 {
				_ = s.r.Undo("bad answers") // from now on others are asked for nothing but what they have accepted
			}
		}
		h.ServeHTTP(w, r)
	})
}

// connState counts the connections that are closed.
func (s *server) connState(_ net.Conn, state http.ConnState) {
	if !s.first && state == http.StateClosed {
		fmt.Println("closed")
	}
}

// counted is a service whose listener counts.
type counted struct {
	*restarthttp.Server
	s *server
}

func (c counted) Serve(ln net.Listener) error { return c.Server.Serve(counting{ln, c.s}) }

// counting counts what a process accepts, before anybody else has the connection.
type counting struct {
	net.Listener
	s *server
}

func (c counting) Accept() (net.Conn, error) {
	conn, err := c.Listener.Accept()
	switch {
	case err != nil:
	case c.s.first:
		l := c.s.r.Status().Listeners
		fmt.Println("open", l[0].Connections, l[1].Connections)
	default:
		fmt.Println("accepted")
		if c.s.doomed.Load() {
			c.s.end()
		}
	}
	return conn, err
}

// end ends the process here, where it accepts nothing that was not counted.
func (s *server) end() {
	switch s.bad {
	case "crash":
		os.Exit(3)
	case "late":
		panic(errors.New("nobody expects this"))
	case "stopped":
		// This very thread stops at once: the process would go on until another one has the signal.
		runtime.LockOSThread()
		fmt.Println("stopped", os.Getpid())
		_ = unix.Tgkill(os.Getpid(), unix.Gettid(), unix.SIGSTOP) // to itself
	}
}
