//go:build linux

package restart

import (
	"testing"

	"example.com/restart/internal/proctest"
)

func TestMain(m *testing.M) {
	proctest.Main(m, map[string]func(){
		"server":     serverRole,
		"grandchild": grandchildRole,
	})
}
