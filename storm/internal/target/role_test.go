package target

import (
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/restart/storm/endpoints"
)

// roleKey makes the test binary play a role. Its value is the role and its arguments.
const roleKey = "STORM_TARGET_ROLE"

// patience bounds every wait. Only a failure uses it up.
const patience = 30 * time.Second

func TestMain(m *testing.M) {
	role := strings.Fields(os.Getenv(roleKey))
	if len(role) == 0 {
		os.Exit(m.Run())
	}
	// No role outlives its test for long.
	time.AfterFunc(2*patience, func() { os.Exit(4) })
	if err := play(role[0], role[1:]); err != nil {
		fmt.Println(err)
		os.Exit(3)
	}
}

func play(role string, args []string) error {
	switch role {
	case "wait": // until SIGTERM
		fmt.Printf("ready=%d\n", os.Getpid())
		select {}
	case "stubborn": // not even then
		signal.Ignore(syscall.SIGTERM)
		fmt.Printf("ready=%d\n", os.Getpid())
		select {}
	case "parent", "leave": // starts a child with another role, maybe in a session of its own; "parent" stays, "leave" ends
		cmd := roleCommand(args[0])
		cmd.Stdout = os.Stdout
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: len(args) > 1 && args[1] == "setsid"}
		if err := cmd.Start(); err != nil || role == "leave" {
			return err
		}
		select {}
	case "serve":
		return serve(args[0])
	case "hold":
		return hold(os.NewFile(3, "listener"))
	}
	return fmt.Errorf("no role %q", role)
}

func roleCommand(role string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), roleKey+"="+role)
	return cmd
}

// serve is a server that prints its addresses. The kind says whether the port of TLS is below or above that of plain HTTP,
// or opened only when a request has come.
func serve(kind string) error {
	host := "127.0.0.1:0"
	if kind == "wildcard" {
		host = ":0"
	}
	plain, err := net.Listen("tcp", host)
	if err != nil {
		return err
	}
	handler := http.NotFoundHandler() // any status is an answer
	switch kind {
	case "below", "above":
		secure, err := net.Listen("tcp", host)
		if err != nil {
			return err
		}
		if (port(secure) < port(plain)) != (kind == "below") {
			plain, secure = secure, plain
		}
		serveTLS(secure)
	case "late":
		var once sync.Once
		handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			once.Do(func() {
				if secure, err := net.Listen("tcp", host); err == nil {
					serveTLS(secure)
				}
			})
		})
	}
	fmt.Printf("plain=127.0.0.1:%d\n", port(plain))
	return server(handler).Serve(plain)
}

func serveTLS(ln net.Listener) {
	fmt.Printf("tls=%v\n", ln.Addr())
	go func() {
		cert, err := endpoints.Certificate()
		if err != nil {
			log.Fatal(err)
		}
		srv := server(http.NotFoundHandler())
		srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
		log.Fatal(srv.ServeTLS(ln, "", ""))
	}()
}

func server(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ErrorLog: log.New(io.Discard, "", 0)}
}

func port(ln net.Listener) int { return ln.Addr().(*net.TCPAddr).Port }

// hold holds a listening socket and reads commands, one a line, until its standard input ends.
func hold(f *os.File) error {
	ln, err := net.FileListener(f)
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	var accepted []net.Conn // keeps them from the garbage collector
	for said := "held"; ; {
		fmt.Println(said)
		if _, err := fmt.Scanln(&said); err != nil {
			break
		}
		switch said {
		case "drop":
			err = ln.Close()
		case "accept":
			var c net.Conn
			c, err = ln.Accept()
			accepted = append(accepted, c)
		}
		if err != nil {
			return err
		}
	}
	for _, c := range accepted {
		_ = c.Close()
	}
	return nil
}

// start starts a role as a server under test.
func start(t *testing.T, role string) *Process {
	t.Helper()
	p, err := Start([]string{os.Args[0]}, []string{roleKey + "=" + role}, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Stop(nil, 0) })
	return p
}

// said waits until a server has printed key=value, and returns the value.
func said(t *testing.T, p *Process, key string) (value string) {
	t.Helper()
	await(t, key+" in the log", func() bool {
		for _, line := range strings.Split(p.LogTail(), "\n") {
			if v, ok := strings.CutPrefix(line, key+"="); ok {
				value = v
			}
		}
		return value != ""
	})
	return value
}

// await polls until ok.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(patience)
	for !ok() {
		select {
		case <-tick.C:
		case <-limit:
			t.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}
