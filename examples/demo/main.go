// Command demo shows the main job: it builds examples/both in several versions,
// puts load on the first one, and puts one version after another in its place,
// while clients that never retry count every request. It exits 1 if one was
// lost, or if a connection with TLS or a WebSocket has ended.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"example.com/restart/storm"
)

func main() {
	restarts := flag.Int("restarts", 10, "`number` of restarts, each to a new version")
	out := flag.String("out", "", "`directory` for the picture; a temporary one if empty")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	lost, err := demo(ctx, *restarts, *out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(2)
	}
	if lost {
		os.Exit(1)
	}
}

func demo(ctx context.Context, restarts int, out string) (lost bool, err error) {
	if restarts < 1 || restarts > 100 {
		return false, errors.New("from 1 to 100 restarts")
	}
	if out == "" {
		if out, err = os.MkdirTemp("", "restart-demo-"); err != nil {
			return false, err
		}
	}
	bin, err := os.MkdirTemp("", "restart-demo-bin-")
	if err != nil {
		return false, err
	}
	defer os.RemoveAll(bin)
	server := filepath.Join(bin, "server")
	fmt.Fprintf(os.Stderr, "building %d versions of examples/both\n", restarts+1)
	for v := 1; v <= restarts+1; v++ {
		if err := build(ctx, version(bin, v), v); err != nil {
			return false, err
		}
	}
	if err := install(version(bin, 1), server); err != nil {
		return false, err
	}

	config := storm.DefaultConfig()
	config.Command = []string{server, "-addr", "{addr}", "-tls-addr", "{tls}"}
	config.Restarts = restarts
	config.Every = 1500 * time.Millisecond
	// Connections with TLS and WebSockets move too. Those of HTTP/2 cannot.
	config.Stay = []string{"tls"} // as those of wsmove must
	config.Load.HTTP2, config.Load.WS = 0, 0
	config.Progress = os.Stderr
	config.BeforeRestart = func(n int) error { return install(version(bin, n+1), server) }
	report, err := storm.Run(ctx, config)
	if err != nil {
		return false, err
	}
	if err := report.WriteTable(os.Stdout); err != nil {
		return false, err
	}
	picture := filepath.Join(out, "restarts.png")
	if err := report.Plot(picture); err != nil {
		return false, err
	}
	fmt.Println("picture:", picture)
	if failed := report.Failed(); len(failed) > 0 {
		return false, fmt.Errorf("%d of %d restarts failed", len(failed), restarts)
	}
	return report.Lost > 0 || report.Ended > 0, nil
}

func version(dir string, v int) string { return filepath.Join(dir, fmt.Sprint("v", v)) }

// build makes one version of the server.
func build(ctx context.Context, path string, v int) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", path,
		"-ldflags", fmt.Sprintf("-s -w -X main.version=%d", v), "example.com/restart/examples/both")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("go build: %w (run it inside a checkout of the repository)", err)
	}
	return nil
}

// install renames the new binary over the old one, as a deploy should: the old
// file lives on for whoever runs it.
func install(from, to string) error { return os.Rename(from, to) }
