package main

import (
	"context"
	"os"
	"path/filepath"
	"testing"
)

func TestDemo(t *testing.T) {
	dir := t.TempDir()
	lost, err := demo(context.Background(), 2, dir)
	if err != nil || lost {
		t.Errorf("got lost %v, %v", lost, err)
	}
	if fi, err := os.Stat(filepath.Join(dir, "restarts.png")); err != nil || fi.Size() == 0 {
		t.Errorf("no picture: %v", err)
	}
}
