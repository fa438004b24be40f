//go:build linux && !restart_portable

package systemdtest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// controlledUnit is a unit of the web server with a control socket. More may be
// appended to its [Service] section.
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

// bootUnit boots a rig with commands, which are built from these directories, and
// server.service.
func bootUnit(t *testing.T, unit string, commands map[string]string) *Rig {
	t.Helper()
	if err := Unavailable(); err != nil {
		t.Skipf("not tried under a real systemd: %v", err)
	}
	built := make(map[string][]byte)
	for name, dir := range commands {
		built[name] = buildStatic(t, dir, name)
	}
	r := Boot(t, "rig/init")
	for name, content := range built {
		r.Put("/usr/local/bin/"+name, 0o755, content)
	}
	r.install(unit)
	t.Cleanup(func() {
		if t.Failed() {
			out, _ := r.Try("journalctl", "--no-pager", "-u", "server.service")
			t.Logf("journal:\n%s", out)
		}
	})
	return r
}

// install makes this the server.service.
func (r *Rig) install(unit string) {
	r.t.Helper()
	r.Put("/etc/systemd/system/server.service", 0o644, []byte(unit))
	r.Run("systemctl", "daemon-reload")
}

// bootControlled boots a rig in which the web server runs.
func bootControlled(t *testing.T, unit string) *Rig {
	t.Helper()
	r := bootUnit(t, unit, map[string]string{"controlled": "controlled", "restartctl": "../../cmd/restartctl"})
	r.Run("systemctl", "start", "server.service")
	return r
}

// who returns the PID of the process that answers a new client of the web server.
func (r *Rig) who() string {
	r.t.Helper()
	return r.Run("bash", "-c", `exec 3<>/dev/tcp/127.0.0.1/8080 && printf 'GET / HTTP/1.0\r\n\r\n' >&3 && tail -n 1 <&3`)
}

// systemctl reload with restartctl waits, and fails with the reason when the
// restart has failed.
func TestReloadByRestartctl(t *testing.T) {
	r := bootControlled(t, controlledUnit)
	pid := r.show("MainPID")
	for range 3 {
		r.Run("systemctl", "reload", "server.service")
		next := r.show("MainPID")
		if next == pid {
			t.Fatal("the reload has not replaced the process")
		}
		pid = next
	}

	r.Put("/run/controlled.broken", 0o644, []byte("no such plugin"))
	if out, err := r.Try("systemctl", "reload", "server.service"); err == nil {
		t.Errorf("a reload to a broken program succeeds: %s", out)
	}
	r.want("MainPID", pid)
	// The journal is a moment behind.
	var status, missing string
	if !r.await(func() bool {
		status, _ = r.Try("systemctl", "status", "--no-pager", "--lines=20", "server.service")
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
	r.Run("systemctl", "reload", "server.service")
	r.want("NRestarts", "0")
	r.Run("/usr/local/bin/restartctl", "--socket", "/run/controlled.sock", "stop")
	r.Await("inactive", "sh", "-c", "systemctl is-active server.service || true")
}
