package storm_test

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

// "go install path@version" refuses a module with replace directives, and storm must not know the library that it tests.
func TestModuleCanBeInstalled(t *testing.T) {
	out, err := exec.Command("go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var mod struct {
		Module           struct{ Path string }
		Require          []struct{ Path string }
		Replace, Exclude []any
	}
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	if len(mod.Require) == 0 {
		t.Fatal("found no requirements in go.mod")
	}
	if len(mod.Replace) > 0 || len(mod.Exclude) > 0 {
		t.Errorf("go.mod has %d replace and %d exclude directives, want none", len(mod.Replace), len(mod.Exclude))
	}
	library := strings.TrimSuffix(mod.Module.Path, "/storm")
	for _, r := range mod.Require {
		if r.Path == library || strings.HasPrefix(r.Path, library+"/") {
			t.Errorf("go.mod requires %s", r.Path)
		}
	}
}
