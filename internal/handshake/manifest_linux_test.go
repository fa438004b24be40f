//go:build !restart_portable

package handshake

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// A predecessor that dies has closed its channel before its listeners, or after
// them. Which addresses are free is known when it has ended.
func TestEndOfTheDeadPredecessorIsAwaited(t *testing.T) {
	cmd := exec.Command("cat")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	go stdin.Close()
	awaitEnd(cmd.Process.Pid)
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), ") Z ") { // it has not been reaped
		t.Errorf("the process lives: %s", b)
	}
}
