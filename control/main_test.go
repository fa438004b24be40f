//go:build linux

package control

import (
	"os"
	"testing"

	"example.com/restart/internal/proctest"
)

func TestMain(m *testing.M) {
	os.Exit(proctest.Main(m, map[string]func(){"server": serverRole, "dropin": dropInRole}))
}
