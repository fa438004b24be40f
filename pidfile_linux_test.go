package restart

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"
)

func TestPIDFileInUseIsNoted(t *testing.T) {
	path, other := filepath.Join(t.TempDir(), "x.pid"), strconv.Itoa(os.Getppid())
	if err := os.WriteFile(path, []byte(other), 0o644); err != nil {
		t.Fatal(err)
	}
	x := start(t, Options{PIDFile: path}, fakeSystem()).serving()
	x.log.wait(t, 1, "level=WARN", "names another process that runs", other)
	if !ownsPIDFile(path) {
		t.Error("the file is not ours")
	}
}
