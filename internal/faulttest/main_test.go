//go:build linux

package faulttest

import (
	"flag"
	"os"
	"testing"

	"example.com/restart/internal/proctest"
)

// rowsAtOnce is how many rows run at a time. Many of them wait for the end of a
// grace period and do nothing else.
const rowsAtOnce = "8"

func TestMain(m *testing.M) {
	if os.Getenv(proctest.RoleVar) == "" {
		runRowsAtOnce()
	}
	os.Exit(proctest.Main(m, map[string]func(){
		"server":      serverRole,
		"predecessor": predecessorRole,
	}))
}

func runRowsAtOnce() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		_ = flag.Set("test.parallel", rowsAtOnce) // it is a number
	}
}
