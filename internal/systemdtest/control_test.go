//go:build linux && !restart_portable

package systemdtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const controlledUnit = `[Service]
Type=notify
ExecStart=/usr/local/bin/controlled
ExecReload=/usr/local/bin/restartctl --socket /run/controlled.sock restart
Restart=on-failure
`

// buildStatic builds the package in dir for the rig.
func buildStatic(t *testing.T, dir, name string) []byte {
	t.Helper()
	binary := filepath.Join(t.TempDir(), name)
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Dir, build.Env = dir, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// systemctl reload with restartctl waits, and fails with the reason when the
// restart has failed.
func TestReloadByRestartctl(t *testing.T) {
	if err := Unavailable(); err != nil {
		t.Skipf("not tried under a real systemd: %v", err)
	}
	server, restartctl := buildStatic(t, "controlled", "controlled"), buildStatic(t, "../../cmd/restartctl", "restartctl")
	r := Boot(t, "rig/init")
	r.Put("/usr/local/bin/controlled", 0o755, server)
	r.Put("/usr/local/bin/restartctl", 0o755, restartctl)
	r.Put("/etc/systemd/system/controlled.service", 0o644, []byte(controlledUnit))
	r.Run("systemctl", "daemon-reload")
	r.Run("systemctl", "start", "controlled.service")
	show := func(property string) string {
		t.Helper()
		return r.Run("systemctl", "show", "--value", "-p", property, "controlled.service")
	}

	pid := show("MainPID")
	for range 3 {
		r.Run("systemctl", "reload", "controlled.service")
		next := show("MainPID")
		if next == pid {
			t.Fatal("the reload has not replaced the process")
		}
		pid = next
	}

	r.Put("/run/controlled.broken", 0o644, []byte("no such plugin"))
	if out, err := r.Try("systemctl", "reload", "controlled.service"); err == nil {
		t.Errorf("a reload to a broken program succeeds: %s", out)
	}
	if got := show("MainPID"); got != pid {
		t.Errorf("got MainPID %s, want %s", got, pid)
	}
	// The journal is a moment behind.
	var status, missing string
	if !r.await(func() bool {
		status, _ = r.Try("systemctl", "status", "--no-pager", "--lines=20", "controlled.service")
		for _, missing = range []string{
			"Active: active (running)", "no such plugin", "The old process serves on.",
			"ExecReload=/usr/local/bin/restartctl --socket /run/controlled.sock restart (code=exited, status=1/FAILURE)",
		} {
			if !strings.Contains(status, missing) {
				return false
			}
		}
		return true
	}) {
		t.Errorf("systemctl status does not show %q:\n%s", missing, status)
	}
	r.Run("rm", "/run/controlled.broken")
	r.Run("systemctl", "reload", "controlled.service")
	if got := show("NRestarts"); got != "0" {
		t.Errorf("got NRestarts %s", got)
	}
	r.Run("/usr/local/bin/restartctl", "--socket", "/run/controlled.sock", "stop")
	r.Await("inactive", "sh", "-c", "systemctl is-active controlled.service || true")
}
