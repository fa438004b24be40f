//go:build linux

package restart_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"example.com/restart/internal/proctest"
)

// The first thing that a visitor runs does what README.md says: after SIGHUP
// another process answers, and the first one exits with status 0.
func TestReadmeProgramRestarts(t *testing.T) {
	const patience, address = 30 * time.Second, "127.0.0.1:8080"
	free := proctest.FreeAddress(t)
	code := readmeProgram(t)
	if !bytes.Contains(code, []byte(address)) {
		t.Fatalf("the program does not listen on %s", address)
	}
	dir := t.TempDir()
	source, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "app")
	if err := os.WriteFile(source, bytes.ReplaceAll(code, []byte(address), []byte(free)), 0o644); err != nil {
		t.Fatal(err)
	}
	goTool(t, "build", "-o", bin, source)

	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(bin)
	cmd.Dir, cmd.Stderr = dir, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		defer close(exited)
		_ = cmd.Wait()
	}()
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-exited
		if b, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("%s", b)
		}
	}()

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	answers := func() error {
		resp, err := client.Get("http://" + free + "/main.go")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("got %s", resp.Status)
		}
		return nil
	}
	proctest.Poll(t, "the program answers", answers)
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	select {
	case <-exited:
	case <-time.After(patience):
		t.Fatalf("the first process still runs %v after SIGHUP", patience)
	}
	if got := cmd.ProcessState.ExitCode(); got != 0 {
		t.Errorf("the first process exited with status %d", got)
	}
	if err := answers(); err != nil {
		t.Errorf("after the restart: %v", err)
	}
}
