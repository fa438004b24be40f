//go:build linux

package restarthttp_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
	"example.com/restart/internal/proctest"
)

// role makes a role of a function that serves: it says how that ended.
func role(serve func() error) func() {
	return func() {
		slog.SetDefault(proctest.Logger())
		fmt.Printf("end pid=%d error=%v\n", os.Getpid(), serve())
	}
}

// start starts the first generation of n listeners.
func start(t *testing.T, role string, n int, env ...string) (*proctest.Family, proctest.Generation) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env...)
	f := proctest.Start(t, role, cmd)
	return f, f.Serving(1, n)
}

// replace restarts g and waits until it is gone.
func replace(f *proctest.Family, g proctest.Generation) proctest.Generation {
	next := f.Restart(g)
	f.WaitExit(g.PID)
	return next
}

// stop ends g, which is the last generation, in good order.
func stop(f *proctest.Family, g proctest.Generation) {
	f.Signal(g.PID, syscall.SIGTERM)
	f.Wait(1, fmt.Sprintf("end pid=%d error=<nil>", g.PID))
	f.WaitEnd()
}

// certificate makes a certificate with serial number 1. It returns its files, and
// the environment that names them to a role.
func certificate(t *testing.T) (certFile, keyFile string, env []string) {
	t.Helper()
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	proctest.Certificate(t, certFile, keyFile, 1)
	return certFile, keyFile, []string{"TEST_CERT=" + certFile, "TEST_KEY=" + keyFile}
}

// newServer returns a server that answers every request with its PID.
func newServer(name string, h http.Handler) *restarthttp.Server {
	s := restarthttp.NewServer("127.0.0.1:0", h)
	s.Name, s.Linger = name, 200*time.Millisecond
	return s
}

func answerPID(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	fmt.Fprint(w, os.Getpid())
}

func servePlain() error {
	mux := http.NewServeMux()
	mux.HandleFunc("/", answerPID)
	mux.HandleFunc("/hijack", func(w http.ResponseWriter, r *http.Request) {
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close()
		rw.WriteString("HTTP/1.1 101 Switching Protocols\r\n\r\n")
		rw.Flush()
		<-restart.Draining(r.Context())
		rw.WriteString("goodbye\n")
		rw.Flush()
	})
	return restarthttp.Serve(context.Background(), newServer("web", mux))
}

func serveAnnounced() error {
	s := newServer("web", http.HandlerFunc(answerPID))
	s.Linger = 5 * time.Second // in which every client sends a request, however busy the machine is
	restarthttp.PretendCannotMove(s)
	return restarthttp.Serve(context.Background(), s)
}

// serveTLS says after each restart how it went.
func serveTLS() error {
	s := newServer("web", http.HandlerFunc(answerPID))
	s.CertFile, s.KeyFile = os.Getenv("TEST_CERT"), os.Getenv("TEST_KEY")
	err := s.After(syscall.SIGHUP, func(context.Context, os.Signal) error {
		r, err := restarthttp.Default()
		if err != nil {
			return err
		}
		fmt.Printf("restarted pid=%d error=%v\n", os.Getpid(), r.Status().LastError)
		return nil
	})
	if err != nil {
		return err
	}
	return restarthttp.Serve(context.Background(), s)
}

// serveListed serves what the lines of the file TEST_LISTENERS say: name, address
// and what to answer before the PID.
func serveListed() error {
	conf, err := os.ReadFile(os.Getenv("TEST_LISTENERS"))
	if err != nil {
		return err
	}
	var servers []*restarthttp.Server
	for line := range strings.Lines(string(conf)) {
		field := strings.Fields(line)
		s := newServer(field[0], http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprintf(w, "%s %d", field[2], os.Getpid())
		}))
		s.HTTP.Addr = field[1]
		servers = append(servers, s)
	}
	return restarthttp.Serve(context.Background(), servers...)
}

// serveSeparately calls ListenAndServe for two servers, the second one until
// TEST_DROP exists. The result is nil if all calls return http.ErrServerClosed.
func serveSeparately() error {
	names := []string{"one", "two"}
	if _, err := os.Stat(os.Getenv("TEST_DROP")); err == nil {
		names = names[:1]
	}
	errs := make(chan error, len(names))
	for _, name := range names {
		go func() { errs <- newServer(name, http.HandlerFunc(answerPID)).ListenAndServe() }()
	}
	for range names {
		if err := <-errs; err != http.ErrServerClosed {
			return fmt.Errorf("ListenAndServe: got %v", err)
		}
	}
	return nil
}

// serveHooked says when its hooks run.
func serveHooked() error {
	s := newServer("web", http.HandlerFunc(answerPID))
	says := func(when string) restart.Hook {
		return func(_ context.Context, sig os.Signal) error {
			fmt.Printf("%s %v pid=%d\n", when, sig, os.Getpid())
			return nil
		}
	}
	if err := s.Before(syscall.SIGHUP, says("before")); err != nil {
		return err
	}
	if err := s.After(syscall.SIGHUP, says("after")); err != nil {
		return err
	}
	return restarthttp.Serve(context.Background(), s)
}

// serveWithOptions gives a Restarter of its own to ListenAndServe.
func serveWithOptions() error {
	r, err := restart.New(restart.Options{PIDFile: os.Getenv("TEST_PIDFILE")})
	if err != nil {
		return err
	}
	if err := restarthttp.SetDefault(r); err != nil {
		return err
	}
	if d, err := restarthttp.Default(); d != r || err != nil {
		return fmt.Errorf("Default: got %p, %v; want %p", d, err, r)
	}
	if err := newServer("web", http.HandlerFunc(answerPID)).ListenAndServe(); err != http.ErrServerClosed {
		return fmt.Errorf("ListenAndServe: got %v", err)
	}
	return nil
}

// serveProbed serves what load balancers ask for, on connections that stay where
// they are in a restart. When it is to stop it is a lame duck for TEST_LAMEDUCK.
func serveProbed() error {
	lameDuck, err := time.ParseDuration(os.Getenv("TEST_LAMEDUCK"))
	if err != nil {
		return err
	}
	r, err := restart.New(restart.Options{LameDuck: lameDuck})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", answerPID)
	mux.Handle("/readyz", restarthttp.ReadyHandler(r))
	mux.Handle("/livez", restarthttp.LiveHandler(r))
	s := newServer("web", mux)
	s.Linger = time.Minute
	restarthttp.PretendCannotMove(s)
	if err := restarthttp.SetDefault(r); err != nil {
		return err
	}
	return restarthttp.Serve(context.Background(), s)
}
