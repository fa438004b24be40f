// Command baseline restarts in the usual way. SIGHUP starts a successor, which inherits the listening sockets as open files
// named in the environment. When the successor says that it serves, http.Server.Shutdown ends the predecessor.
//
// It loses requests, and a test checks that storm finds them.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"example.com/restart/storm/endpoints"
)

const (
	inherited = "BASELINE_LISTENERS" // names of the inherited files, from 3 on; the file after them is for "ready"
	firstFile = 3
)

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "address of plain HTTP")
	tlsAddr := flag.String("tls-addr", "", "address of TLS, none if empty")
	version := flag.String("version", "1", "what GET / says")
	drain := flag.Duration("drain", 30*time.Second, "how long Shutdown may take")
	flag.Parse()
	if err := run(*addr, *tlsAddr, *version, *drain); err != nil {
		log.Fatal(err)
	}
}

type server struct {
	name string
	ln   *net.TCPListener
	http *http.Server
}

func run(addr, tlsAddr, version string, drain time.Duration) error {
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGTERM, os.Interrupt)
	servers, ready, err := open(addr, tlsAddr, endpoints.Handler(version))
	if err != nil {
		return err
	}
	failed := make(chan error, len(servers))
	for _, s := range servers {
		go func() {
			if s.name == "tls" {
				failed <- s.http.ServeTLS(s.ln, "", "")
				return
			}
			failed <- s.http.Serve(s.ln)
		}()
	}
	if ready != nil {
		fmt.Fprintln(ready, "ready")
		ready.Close()
	}
	for {
		select {
		case err := <-failed:
			return err
		case sig := <-signals:
			if sig == syscall.SIGHUP {
				if err := startSuccessor(servers); err != nil {
					log.Print(err)
					continue
				}
			}
			return shutdown(servers, drain)
		}
	}
}

func open(addr, tlsAddr string, handler http.Handler) (servers []*server, ready *os.File, err error) {
	names := strings.Split(os.Getenv(inherited), ",")
	isSuccessor := os.Getenv(inherited) != ""
	os.Unsetenv(inherited)
	for _, want := range []struct{ name, addr string }{{"plain", addr}, {"tls", tlsAddr}} {
		if want.addr == "" {
			continue
		}
		s := &server{name: want.name, http: &http.Server{Handler: handler}}
		var ln net.Listener
		if isSuccessor {
			for i, name := range names {
				if name == want.name {
					f := os.NewFile(uintptr(firstFile+i), name)
					ln, err = net.FileListener(f)
					f.Close()
				}
			}
		} else {
			ln, err = net.Listen("tcp", want.addr)
		}
		if err != nil {
			return nil, nil, err
		}
		if ln == nil {
			return nil, nil, fmt.Errorf("no listener named %s", want.name)
		}
		s.ln = ln.(*net.TCPListener)
		if want.name == "tls" {
			cert, err := endpoints.Certificate()
			if err != nil {
				return nil, nil, err
			}
			s.http.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		}
		servers = append(servers, s)
	}
	if isSuccessor {
		ready = os.NewFile(uintptr(firstFile+len(names)), "ready")
	}
	return servers, ready, nil
}

// startSuccessor forks with the raw descriptors. os/exec would switch the shared sockets to blocking mode, and Shutdown would
// then hang in Close, which is not the fault that this server demonstrates.
func startSuccessor(servers []*server) error {
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	files := []uintptr{0, 1, 2}
	var names []string
	for _, s := range servers {
		raw, err := s.ln.SyscallConn()
		if err != nil {
			return err
		}
		if err := raw.Control(func(fd uintptr) { files = append(files, fd) }); err != nil {
			return err
		}
		names = append(names, s.name)
	}
	files = append(files, w.Fd())
	pid, err := syscall.ForkExec(os.Args[0], os.Args, &syscall.ProcAttr{
		Env:   append(os.Environ(), inherited+"="+strings.Join(names, ",")),
		Files: files,
	})
	w.Close()
	if err != nil {
		return err
	}
	go func() {
		var ws syscall.WaitStatus
		_, _ = syscall.Wait4(pid, &ws, 0, nil)
	}()
	if line, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		return fmt.Errorf("the successor did not start: %q, %w", line, err)
	}
	return nil
}

func shutdown(servers []*server, drain time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), drain)
	defer cancel()
	errs := make([]error, len(servers))
	var wg sync.WaitGroup
	for i, s := range servers {
		wg.Go(func() { errs[i] = s.http.Shutdown(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
