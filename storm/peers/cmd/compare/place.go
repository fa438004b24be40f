package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"example.com/restart/storm/internal/target"
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

// startLimit is how long a server may take until it answers.
const startLimit = 20 * time.Second

// backend starts a bare server behind a proxy. It never restarts, so the proxy alone loses requests.
func (p *place) backend(ctx context.Context) (addr string, stop func(), err error) {
	path, err := p.build(ctx, "example.com/restart/storm/testdata/bare", "bare")
	if err != nil {
		return "", nil, err
	}
	if addr, err = target.FreeAddr(); err != nil {
		return "", nil, err
	}
	known, err := target.Resolve(addr)
	if err != nil {
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
	if err := target.WaitAnswer(ctx, known, startLimit); err != nil {
		stop()
		return "", nil, fmt.Errorf("start the backend: %w", err)
	}
	return addr, stop, nil
}
