//go:build linux && amd64

package injecttest

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"example.com/restart"
	restarthttp "example.com/restart/http"
)

// dirVar names the directory of the server's files: its PID file, its Unix socket
// and, while successors are to wait, the FIFO gate.
const dirVar = "INJECTTEST_DIR"

// serverRole serves HTTP over TCP and a Unix socket. A successor that finds a gate
// waits there before it calls New.
func serverRole() {
	dir := os.Getenv(dirVar)
	fmt.Printf("start pid=%d\n", os.Getpid())
	if gate, err := os.Open(filepath.Join(dir, "gate")); err == nil { // somebody has opened it for writing
		gate.Close()
	}
	r, err := restart.New(restart.Options{
		PIDFile:      filepath.Join(dir, "pid"),
		HammerTime:   hammerTime,
		ReadyTimeout: readyTimeout,
		Logger:       slog.New(slog.NewTextHandler(os.Stdout, nil)),
	})
	if err != nil {
		end(err)
	}
	r.OnEvent(func(e restart.Event) {
		fmt.Printf("event=%v pid=%d error=%v\n", e.Kind, os.Getpid(), e.Err)
	})
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, os.Getpid()) })
	for _, l := range []struct{ name, network, address string }{
		{"web", "tcp", "127.0.0.1:0"},
		{"local", "unix", filepath.Join(dir, "socket")},
	} {
		server := restarthttp.NewServer(l.address, answer)
		server.Linger = 200 * time.Millisecond
		addr, err := r.Add(l.name, l.network, l.address, &counted{Server: server})
		if err != nil {
			end(err)
		}
		fmt.Printf("added pid=%d listener=%s address=%s\n", os.Getpid(), l.name, addr)
	}
	end(r.Run(context.Background()))
}

func end(err error) {
	fmt.Printf("end pid=%d error=%v\n", os.Getpid(), err)
	if err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}

// counted is a server that leaves its successor something, so that these calls are
// made, too.
type counted struct{ *restarthttp.Server }

func (*counted) State() ([]byte, error)     { return []byte("state"), nil }
func (*counted) Restore([]byte) error       { return nil }
func (*counted) LastState() ([]byte, error) { return []byte("last state"), nil }
func (*counted) MergeState([]byte) error    { return nil }
