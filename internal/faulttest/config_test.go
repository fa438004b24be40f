//go:build linux

package faulttest

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// dirVar names the directory of the scene in the environment.
const dirVar = "FAULTTEST_DIR"

// A config is what a process of a scene serves. Each generation reads it anew.
type config struct {
	Web     string // address
	PIDFile string // instead of that of the scene

	HammerTime, ReadyTimeout, Probation time.Duration
}

func readConfig(dir string) config {
	var c config
	b, err := os.ReadFile(filepath.Join(dir, "config.json"))
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	if err != nil {
		die("configuration: %v", err)
	}
	return c
}

// The files that a server makes.
func pidFile(dir string) string    { return filepath.Join(dir, "run", "app.pid") }
func sideSocket(dir string) string { return filepath.Join(dir, "run", "side.sock") }

// freshSocket is another one in each generation, so that each binds one and drops
// that of the generation before.
func freshSocket(dir string, generation int) string {
	return filepath.Join(dir, "run", fmt.Sprintf("fresh-%d.sock", generation%10))
}
