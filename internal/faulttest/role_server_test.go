//go:build linux

package faulttest

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"syscall"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// serverRole is the program that is restarted. It serves the same over TCP and on
// two Unix sockets, one of which is bound anew by each generation.
func serverRole() {
	fmt.Printf("start pid=%d\n", os.Getpid())
	dir := os.Getenv(dirVar)
	_ = at(dir, atSpawn)
	if o := readOrder(dir); o.Scripted {
		playSuccessor(dir, o)
	}
	cfg := readConfig(dir)
	r, err := restart.New(restart.Options{
		HammerTime: cfg.HammerTime, ReadyTimeout: cfg.ReadyTimeout, Probation: cfg.Probation,
		PIDFile:      cmp.Or(cfg.PIDFile, pidFile(dir)),
		ListenConfig: net.ListenConfig{Control: func(string, string, syscall.RawConn) error { return at(dir, atBind) }},
		Logger:       slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		die("%v", err)
	}
	web := newService(dir, r)
	add(r, "web", "tcp", cfg.Web, web)
	if err := at(dir, atClaim); err != nil {
		die("%v", err)
	}
	add(r, "side", "unix", sideSocket(dir), restarthttp.Wrap(&http.Server{Handler: web.HTTP.Handler}))
	add(r, "fresh", "unix", freshSocket(dir, r.Status().Generation), restarthttp.Wrap(&http.Server{Handler: web.HTTP.Handler}))
	err = r.Run(context.Background())
	fmt.Printf("end pid=%d error=%v\n", os.Getpid(), err)
	if err != nil {
		die("%v", err)
	}
}

func add(r *restart.Restarter, name, network, address string, s restart.Service) {
	if _, err := r.Add(name, network, address, s); err != nil {
		die("%v", err)
	}
}

// A service is package http's, with a hook in each method.
type service struct {
	*restarthttp.Server
	dir    string
	failed chan error // ends Serve
}

func newService(dir string, r *restart.Restarter) *service {
	s := &service{dir: dir, failed: make(chan error, 1)}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-r.Serving(): // the predecessor has heard of it
			_ = at(dir, atRequest)
		default:
		}
		fmt.Fprint(w, os.Getpid())
	})
	mux.HandleFunc("/fail", func(http.ResponseWriter, *http.Request) { s.failed <- errOrdered })
	mux.HandleFunc("/hold", hold)
	handleControl(mux, r)
	s.Server = restarthttp.Wrap(&http.Server{Handler: mux})
	return s
}

// hold answers when the client has sent the rest of its request.
func hold(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err == nil {
		fmt.Fprint(w, os.Getpid())
	}
}

func (s *service) State() ([]byte, error) { return []byte("state"), at(s.dir, atState) }

func (s *service) Restore(state []byte) error {
	if string(state) != "state" {
		return fmt.Errorf("got the state %q", state)
	}
	return at(s.dir, atState)
}

func (s *service) Serve(ln net.Listener) error {
	if err := at(s.dir, atService); err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() { served <- s.Server.Serve(ln) }()
	select {
	case err := <-served:
		return err
	case err := <-s.failed:
		return err
	}
}

func (s *service) Adopt(c net.Conn, state []byte) error {
	if err := at(s.dir, atHandOver); err != nil {
		return err
	}
	return s.Server.Adopt(c, state)
}

func (s *service) Shutdown(ctx context.Context) error {
	if err := at(s.dir, atDrain); err != nil {
		return err
	}
	return s.Server.Shutdown(ctx)
}

func (s *service) Close() error {
	if err := at(s.dir, atHammer); err != nil {
		return err
	}
	return s.Server.Close()
}
