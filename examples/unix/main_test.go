//go:build linux

package main

import (
	"context"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"example.com/restart/examples/internal/exampletest"
)

func TestReadme(t *testing.T) { exampletest.Readme(t) }

// The path is never missing, is the same socket all the time, and goes at the
// end. A path that a killed process left does not keep the next one from
// starting.
func TestPathStays(t *testing.T) {
	path := filepath.Join(t.TempDir(), "api.sock")
	bin := exampletest.Build(t, "1")
	var dialer net.Dialer
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", path)
		},
	}}

	killed := exampletest.Start(t, bin, "-socket", path)
	g := killed.Serving(1, 1)
	killed.Signal(g.PID, syscall.SIGKILL)
	killed.Gone(g.PID)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("a killed process should leave its path: %v", err)
	}

	p := exampletest.Start(t, bin, "-socket", path)
	g = p.Serving(1, 1)
	exampletest.Get(t, client, "http://api/")
	before, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		p.Signal(g.PID, syscall.SIGHUP)
		g = p.Serving(i+2, 1)
		exampletest.Get(t, client, "http://api/")
		after, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if !os.SameFile(before, after) {
			t.Error("the socket at the path is another one")
		}
	}
	p.Exit()
	p.Signal(g.PID, syscall.SIGTERM)
	p.Gone(g.PID)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("after the end: got %v, want %v", err, fs.ErrNotExist)
	}
}
