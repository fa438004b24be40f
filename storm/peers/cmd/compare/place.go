package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// module is the path of the module with the servers.
const module = "example.com/restart/storm/peers/"

// place is a temporary directory for programs and configurations.
type place struct{ dir string }

func newPlace() (*place, error) {
	dir, err := os.MkdirTemp("", "storm-peers-*")
	if err != nil {
		return nil, err
	}
	// nginx's workers run as another user and must reach their files.
	return &place{dir}, os.Chmod(dir, 0o755)
}

func (p *place) remove() { _ = os.RemoveAll(p.dir) }

// build builds a program of this module or of storm. It needs a checkout of the repository.
func (p *place) build(ctx context.Context, pkg, name string) (string, error) {
	path := filepath.Join(p.dir, name)
	out, err := exec.CommandContext(ctx, "go", "build", "-o", path, pkg).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", pkg, err, out)
	}
	return path, nil
}

func (p *place) write(name, content string) (string, error) {
	path := filepath.Join(p.dir, name)
	return path, os.WriteFile(path, []byte(content), 0o644)
}

// freeAddr returns a loopback address on which nobody listens.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// backend starts a bare server behind a proxy. It never restarts, so the proxy alone loses requests.
func (p *place) backend(ctx context.Context) (addr string, stop func(), err error) {
	path, err := p.build(ctx, "example.com/restart/storm/testdata/bare", "bare")
	if err != nil {
		return "", nil, err
	}
	if addr, err = freeAddr(); err != nil {
		return "", nil, err
	}
	cmd := exec.Command(path, "-addr", addr)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return "", nil, err
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	for range 200 {
		if c, err := net.DialTimeout("tcp", addr, time.Second); err == nil {
			_ = c.Close()
			return addr, stop, nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	stop()
	return "", nil, fmt.Errorf("the backend does not listen on %s", addr)
}
