package restart_test

import (
	"encoding/json"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// The rules of this repository that a machine can check.

func goTool(t *testing.T, args ...string) []byte {
	t.Helper()
	var stderr strings.Builder
	cmd := exec.Command("go", args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, stderr.String())
	}
	return out
}

// Whoever imports this library gets its requirements too, so they stay few.
// What needs gRPC, Prometheus or WebSockets lives in a nested module.
func TestRequirementsAreFew(t *testing.T) {
	allowed := []string{
		"github.com/coreos/go-systemd/v22",
		"github.com/google/renameio/v2",
		"github.com/hashicorp/go-multierror",
		"golang.org/x/crypto", // only chacha20poly1305, see docs/adr/0014-chacha20.md
		"golang.org/x/sync",
		"golang.org/x/sys",
		// For tests.
		"github.com/google/go-cmp",
		"go.uber.org/goleak",
		"pgregory.net/rapid",
	}
	var mod struct {
		Require []struct {
			Path     string
			Indirect bool
		}
	}
	if err := json.Unmarshal(goTool(t, "mod", "edit", "-json"), &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require) == 0 {
		t.Fatal("found no requirements in go.mod")
	}
	for _, r := range mod.Require {
		if !r.Indirect && !slices.Contains(allowed, r.Path) {
			t.Errorf("go.mod requires %s, which is not on the list in this test", r.Path)
		}
	}
}

// A program that serves another protocol must not pay for net/http.
func TestRootDoesNotImportHTTP(t *testing.T) {
	deps := strings.Fields(string(goTool(t, "list", "-deps", ".")))
	if !slices.Contains(deps, "net") {
		t.Fatalf("go list -deps has no net: %q", deps)
	}
	for _, heavy := range []string{"net/http", "crypto/tls"} {
		if slices.Contains(deps, heavy) {
			t.Errorf("the root package imports %s", heavy)
		}
	}
}
