//go:build linux

package restart

import (
	"os"
	"testing"

	"example.com/restart/internal/proctest"
)

// roles are what the test binary plays in processes of its own.
var roles = map[string]func(){
	"server":     serverRole,
	"grandchild": grandchildRole,
}

func TestMain(m *testing.M) { os.Exit(proctest.Main(m, roles)) }
