package restart_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// A web server with a Restarter of its own. [restarthttp.ListenAndServe] is
// shorter.
func Example() {
	r, err := restart.New(restart.Options{PIDFile: "/run/web.pid"})
	if err != nil {
		log.Fatal(err)
	}
	server := restarthttp.Wrap(&http.Server{ReadHeaderTimeout: 10 * time.Second})
	if _, err := r.Add("web", "tcp", ":8080", server); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// A daytime is a service for a protocol of its own: it tells the time to whoever
// connects (RFC 867).
type daytime struct{}

func (daytime) Serve(ln net.Listener) error {
	for {
		c, err := ln.Accept()
		if err != nil {
			return err // net.ErrClosed when Run has drained
		}
		go func() {
			defer c.Close()
			fmt.Fprintln(c, time.Now().Format(time.RFC1123))
		}()
	}
}

// Shutdown has nothing to do: no connection comes any more, and Run waits for
// those that are open.
func (daytime) Shutdown(context.Context) error { return nil }

func ExampleService() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.Add("daytime", "tcp", ":13", daytime{}); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// A program with a life cycle of its own, such as a message broker that is given
// a listener and started, needs no Service.
func ExampleRestarter_Listen() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	l, err := r.Listen("daytime", "tcp", ":13")
	if err != nil {
		log.Fatal(err)
	}
	go func() { // the program's own accept loop
		for {
			c, err := l.Accept()
			if err != nil {
				return // net.ErrClosed: the drain has begun
			}
			go func() {
				defer c.Close()
				fmt.Fprintln(c, time.Now().Format(time.RFC1123))
			}()
		}
	}()
	if err := r.Run(context.Background()); err != nil { // waits for the connections
		log.Fatal(err)
	}
}

// Several listeners restart together. Their names stand for them: the addresses
// may be others in the next version.
func ExampleRestarter_Add() {
	r, err := restart.New(restart.Options{HammerTime: 5 * time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	public := restarthttp.Wrap(&http.Server{})
	public.CertFile, public.KeyFile = "cert.pem", "key.pem"
	admin := restarthttp.Wrap(&http.Server{Handler: http.NotFoundHandler()})
	for _, l := range []struct {
		name, network, address string
		service                restart.Service
	}{
		{"public", "tcp", ":443", public},
		{"admin", "unix", "/run/app/admin.sock", admin},
		{"daytime", "tcp", ":13", daytime{}},
	} {
		addr, err := r.Add(l.name, l.network, l.address, l.service)
		if err != nil {
			log.Fatal(err)
		}
		log.Printf("%s is bound to %v", l.name, addr)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// An echo sends each datagram back.
type echo struct {
	ctx  context.Context
	stop context.CancelFunc
}

func (e echo) ServePacket(c net.PacketConn) error {
	defer context.AfterFunc(e.ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	buf := make([]byte, 64<<10)
	for {
		n, from, err := c.ReadFrom(buf)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return nil
		}
		if err != nil {
			return err
		}
		c.WriteTo(buf[:n], from)
	}
}

// Shutdown makes ReadFrom return: the successor reads from here on.
func (e echo) Shutdown(context.Context) error { e.stop(); return nil }

func ExampleRestarter_AddPacket() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	if _, err := r.AddPacket("echo", "udp", ":7", echo{ctx, stop}); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

// A Before hook reads the new configuration. If that is wrong, SIGHUP does
// nothing but log it.
func ExampleRestarter_Before() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r.Before(syscall.SIGHUP, func(context.Context, os.Signal) error {
		b, err := os.ReadFile("app.json")
		if err != nil {
			return err
		}
		if !json.Valid(b) {
			return errors.New("app.json: configuration is invalid")
		}
		return nil
	})
}

// A hook that says how a restart ended.
func ExampleRestarter_After() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	r.After(syscall.SIGHUP, func(context.Context, os.Signal) error {
		if s := r.Status(); s.LastError != nil {
			log.Printf("still serving: %v", s.LastError)
		} else {
			log.Printf("process %d serves now", s.Successor)
		}
		return nil
	})
}

// Work that only one process may do begins when no earlier generation is left.
func ExampleRestarter_Alone() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	var jobs sync.WaitGroup
	jobs.Go(func() {
		select {
		case <-r.Alone():
			runJobs(ctx)
		case <-ctx.Done():
		}
	})
	if _, err := r.Add("daytime", "tcp", ":13", daytime{}); err != nil {
		log.Fatal(err)
	}
	err = r.Run(ctx)
	stop()
	jobs.Wait() // the next generation's begin when this process has ended
	if err != nil {
		log.Fatal(err)
	}
}

func runJobs(context.Context) {}

// Restart tells its caller how it went: here an administrator who asks over
// HTTP.
func ExampleRestarter_Restart() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	http.HandleFunc("POST /restart", func(w http.ResponseWriter, req *http.Request) {
		err := r.Restart(req.Context())
		var failed *restart.RestartError
		switch {
		case err == nil:
			fmt.Fprintf(w, "process %d serves now\n", r.Status().Successor)
		case errors.Is(err, restart.ErrRestarting):
			http.Error(w, "one is under way", http.StatusConflict)
		case errors.As(err, &failed):
			http.Error(w, fmt.Sprintf("%v\n%s", failed.Err, failed.Stderr), http.StatusBadGateway)
		default:
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
		}
	})
}

// A counter counts the bytes that come in on each connection and answers each
// with the sum. Its connections survive a restart, and the sums with them.
type counter struct {
	mu    sync.Mutex
	conns map[net.Conn]bool
	past  time.Time         // not zero: drains
	to    *restart.Handover // nil: nobody to hand over to
}

func (c *counter) Serve(ln net.Listener) error {
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go c.serve(conn, 0)
	}
}

// Adopt implements [restart.Adopter].
func (c *counter) Adopt(conn net.Conn, state []byte) error {
	sum, err := strconv.Atoi(string(state))
	if err != nil {
		return err
	}
	go c.serve(conn, sum)
	return nil
}

// Shutdown ends every read. Then each connection hands itself over, and Run
// waits until all have.
func (c *counter) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.to, _ = restart.HandoverFrom(ctx)
	c.past = time.Unix(1, 0)
	for conn := range c.conns {
		conn.SetReadDeadline(c.past)
	}
	return nil
}

func (c *counter) serve(conn net.Conn, sum int) {
	c.mu.Lock()
	c.conns[conn] = true
	conn.SetReadDeadline(c.past)
	c.mu.Unlock()

	var err error
	for b := make([]byte, 1); err == nil; { // unbuffered: nothing is read too early
		if _, err = conn.Read(b); err == nil {
			sum++
			_, err = fmt.Fprintln(conn, sum)
		}
	}

	c.mu.Lock()
	delete(c.conns, conn)
	to := c.to
	c.mu.Unlock()
	if errors.Is(err, os.ErrDeadlineExceeded) && to != nil && to.Send(conn, []byte(strconv.Itoa(sum))) == nil {
		return // the successor has it
	}
	conn.Close()
}

func ExampleHandoverFrom() {
	r, err := restart.New(restart.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if _, err := r.Add("counter", "tcp", ":7070", &counter{conns: make(map[net.Conn]bool)}); err != nil {
		log.Fatal(err)
	}
	if err := r.Run(context.Background()); err != nil {
		log.Fatal(err)
	}
}
