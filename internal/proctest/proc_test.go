//go:build linux

package proctest

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) { os.Exit(Main(m, map[string]func(){"shell": func() {}})) }

// What a process has written before its end is there once the reading has caught up,
// while another process has the output, too.
func TestCatchUp(t *testing.T) {
	f := Start(t, "shell", exec.Command("sh", "-c", "echo start pid=$$; "+
		"sh -c 'echo start pid=$$; i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done'; exec sleep 600"))
	f.Wait(2, "start pid=")
	f.WaitExit(f.PIDs()[1])
	f.CatchUp()
	if got := f.Count("line 1999"); got != 1 {
		t.Errorf("got %d, want the last line", got)
	}
	f.Signal(f.PID(), syscall.SIGKILL)
	f.WaitEnd()
	f.CatchUp() // nothing is left to wait for
}
