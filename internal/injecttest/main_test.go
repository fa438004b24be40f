//go:build linux && amd64

package injecttest

import (
	"os"
	"testing"

	"example.com/restart/internal/proctest"
)

func TestMain(m *testing.M) {
	os.Exit(proctest.Main(m, map[string]func(){
		"server": serverRole,
		"tracer": tracerRole,
	}))
}
